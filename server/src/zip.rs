//! The structure of a zip whose files are stored as they are and known before they are sent.
//!
//! Length and CRC-32 of every file stand in its header, so nothing has to be held back or patched,
//! and the length of the whole is known at the beginning. ZIP64 where a number needs it and nowhere
//! else; names are UTF-8 and marked so.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// What does not fit into 32 bits stands in a ZIP64 field.
const MAX_32: u64 = 0xffff_ffff;
const MAX_16: usize = 0xffff;

/// The version of the format that ZIP64 came with, and the one before.
const VERSION_64: u16 = 45;
const VERSION: u16 = 20;

/// Bytes of an extended timestamp, its name and length included.
const TIMESTAMP: usize = 9;

/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

/// A file in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/`.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// CRC-32 (IEEE) of them.
    pub crc32: u32,
    /// When it was last changed; the time of the zip where that is not known.
    pub modified: Option<DateTime<Utc>>,
}

/// A zip that is being written: which files are in it, and how long it is so far.
#[derive(Debug)]
pub struct Zip {
    at: u64,
    made: DateTime<Utc>,
    entries: Vec<(Entry, u64)>,
}

/// A date and a time as the headers have them: to two seconds, in the years that a zip can hold.
fn dos(at: DateTime<Utc>) -> (u16, u16) {
    let year = at.year().clamp(1980, 2107) - 1980;
    let part = |number: u32| u16::try_from(number).expect("a part of a date is small");
    let date =
        u16::try_from(year).expect("below 128") << 9 | part(at.month()) << 5 | part(at.day());
    let time = part(at.hour()) << 11 | part(at.minute()) << 5 | part(at.second() / 2);
    (date, time)
}

/// The extended timestamp: in UTC, to the second. None beyond the 32 bits that it has.
fn timestamp(entry: &Entry) -> Option<[u8; TIMESTAMP]> {
    let seconds = i32::try_from(entry.modified?.timestamp()).ok()?;
    let mut field = [0; TIMESTAMP];
    // Its name; five bytes; of the three times only this one.
    field[..5].copy_from_slice(&[0x55, 0x54, 5, 0, 1]);
    field[5..].copy_from_slice(&seconds.to_le_bytes());
    Some(field)
}

impl Zip {
    /// An empty one; files of which nothing else is known bear this time.
    #[must_use]
    pub fn new(time: DateTime<Utc>) -> Self {
        Self {
            at: 0,
            made: time,
            entries: Vec::new(),
        }
    }

    /// What stands before the bytes of a file.
    pub fn file(&mut self, entry: Entry) -> Vec<u8> {
        let large = entry.length >= MAX_32;
        let mut head = Vec::with_capacity(64 + entry.name.len());
        four(&mut head, 0x0403_4b50);
        two(&mut head, if large { VERSION_64 } else { VERSION });
        self.common(&mut head, &entry, [entry.length; 2]);
        let timestamp = timestamp(&entry);
        let extras = if large { 20 } else { 0 } + timestamp.map_or(0, |_| TIMESTAMP);
        two(&mut head, u16::try_from(extras).expect("at most 29"));
        head.extend_from_slice(entry.name.as_bytes());
        if large {
            extra(&mut head, &[entry.length, entry.length]);
        }
        head.extend(timestamp.into_iter().flatten());
        let offset = self.at;
        self.at += head.len() as u64 + entry.length;
        self.entries.push((entry, offset));
        head
    }

    /// What stands after the last file.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        let start = self.at;
        let mut end = Vec::new();
        for (entry, offset) in &self.entries {
            self.central(&mut end, entry, *offset);
        }
        let (count, size) = (self.entries.len(), end.len() as u64);
        if count >= MAX_16 || size >= MAX_32 || start >= MAX_32 {
            let at = start + size;
            four(&mut end, 0x0606_4b50);
            eight(&mut end, 44);
            two(&mut end, 3 << 8 | VERSION_64);
            two(&mut end, VERSION_64);
            eight(&mut end, 0);
            for number in [count as u64, count as u64, size, start] {
                eight(&mut end, number);
            }
            four(&mut end, 0x0706_4b50);
            four(&mut end, 0);
            eight(&mut end, at);
            four(&mut end, 1);
        }
        four(&mut end, 0x0605_4b50);
        four(&mut end, 0);
        for _ in 0..2 {
            two(&mut end, u16::try_from(count).unwrap_or(u16::MAX));
        }
        four(&mut end, capped(size));
        four(&mut end, capped(start));
        two(&mut end, 0);
        end
    }

    fn central(&self, out: &mut Vec<u8>, entry: &Entry, offset: u64) {
        let mut long = Vec::new();
        if entry.length >= MAX_32 {
            long.extend([entry.length, entry.length]);
        }
        if offset >= MAX_32 {
            long.push(offset);
        }
        let version = if long.is_empty() { VERSION } else { VERSION_64 };
        four(out, 0x0201_4b50);
        // Made on Unix, so that the permissions below mean something.
        two(out, 3 << 8 | VERSION_64);
        two(out, version);
        self.common(out, entry, [entry.length; 2]);
        let timestamp = timestamp(entry);
        let length = if long.is_empty() {
            0
        } else {
            4 + 8 * long.len()
        };
        let length = length + timestamp.map_or(0, |_| TIMESTAMP);
        two(out, u16::try_from(length).expect("at most 37"));
        two(out, 0);
        two(out, 0);
        two(out, 0);
        four(out, 0o100_644 << 16);
        four(out, capped(offset));
        out.extend_from_slice(entry.name.as_bytes());
        if !long.is_empty() {
            extra(out, &long);
        }
        out.extend(timestamp.into_iter().flatten());
    }

    /// From the flags to the length of the name: the same in both headers.
    fn common(&self, out: &mut Vec<u8>, entry: &Entry, lengths: [u64; 2]) {
        two(out, FLAGS);
        two(out, 0);
        let (date, time) = dos(entry.modified.unwrap_or(self.made));
        two(out, time);
        two(out, date);
        four(out, entry.crc32);
        for length in lengths {
            four(out, capped(length));
        }
        two(
            out,
            u16::try_from(entry.name.len()).expect("paths are far below 64 KiB"),
        );
    }
}

/// How long the zip of these files is.
#[must_use]
pub fn length(entries: impl IntoIterator<Item = Entry>) -> u64 {
    let mut zip = Zip::new(DateTime::UNIX_EPOCH);
    for entry in entries {
        zip.file(entry);
    }
    let bytes = zip.at;
    bytes + zip.end().len() as u64
}

fn extra(out: &mut Vec<u8>, numbers: &[u64]) {
    two(out, 1);
    two(out, u16::try_from(8 * numbers.len()).expect("at most 24"));
    for number in numbers {
        eight(out, *number);
    }
}

fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn two(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn four(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn eight(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// A zip on disk with these files, all zeros; long ones are holes.
    fn write(path: &Path, files: &[(&str, u64)]) -> u64 {
        let entry = |(name, length): &(&str, u64)| {
            let mut crc32 = crc32fast::Hasher::new();
            // Only of those that are read back.
            if *length < 1 << 20 {
                crc32.update(&vec![0; usize::try_from(*length).unwrap()]);
            }
            Entry {
                name: (*name).to_owned(),
                length: *length,
                crc32: crc32.finalize(),
                modified: name
                    .ends_with(".wav")
                    .then(|| "2019-03-01T11:00:01Z".parse().unwrap()),
            }
        };
        let mut file = File::create(path).unwrap();
        let mut zip = Zip::new("2026-11-28T12:34:56Z".parse().unwrap());
        for it in files.iter().map(entry) {
            let length = i64::try_from(it.length).unwrap();
            file.write_all(&zip.file(it)).unwrap();
            file.seek(SeekFrom::Current(length)).unwrap();
        }
        file.write_all(&zip.end()).unwrap();
        let expected = length(files.iter().map(entry));
        assert_eq!(file.metadata().unwrap().len(), expected);
        expected
    }

    fn python(path: &Path, script: &str) -> String {
        let script = format!("import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n{script}");
        let ran = Command::new("python3")
            .arg("-c")
            .arg(script)
            .arg(path)
            .output();
        let ran = ran.unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{error}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn other_programs_read_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.zip");
        write(&path, &[("Süß/日本.wav", 70_000), ("empty", 0), ("b", 1)]);
        let said = python(
            &path,
            "print(z.testzip(), [(i.filename, i.file_size, i.date_time, i.extra.hex()) for i in z.infolist()][:2])",
        );
        // 0x5c7910b1 seconds since 1970.
        assert_eq!(
            said,
            "None [('Süß/日本.wav', 70000, (2019, 3, 1, 11, 0, 0), '5554050001b1107".to_owned()
                + "95c'), ('empty', 0, (2026, 11, 28, 12, 34, 56), '')]"
        );
    }

    #[test]
    fn long_files_far_files_and_many_files_have_long_numbers() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.zip");
        for files in [
            vec![("long", 5 << 30), ("far", 3)],
            vec![("exact", MAX_32), ("x", 1)],
            vec![("below", MAX_32 - 1), ("x", 1)],
        ] {
            write(&path, &files);
            let last = files[1].0;
            let said = python(
                &path,
                &format!("print(z.read('{last}'), [i.file_size for i in z.infolist()])"),
            );
            let zeros = "\\x00".repeat(usize::try_from(files[1].1).unwrap());
            let lengths = format!("[{}, {}]", files[0].1, files[1].1);
            assert_eq!(said, format!("b'{zeros}' {lengths}"));
        }
        let names: Vec<_> = (0..70_000).map(|n| format!("{n}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        write(&path, &many);
        let said = python(&path, "print(len(z.infolist()), z.read('69999'))");
        assert_eq!(said, "70000 b'\\x00'");
    }
}
