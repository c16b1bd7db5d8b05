//! The whole catalog as a file of JSON lines: for a move to another machine, or another engine.
//!
//! The first line says what it is, then comes every row, and the last line has their number and a
//! hash of all lines before it: a file that was cut or changed is refused as a whole.

use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Batch, Catalog, CatalogError, CommitError, Key, KeyRange, MAX_KEY, MAX_VALUE};

/// The version that is written, and the only one there was.
const VERSION: u32 = 1;

/// Rows read, or committed, at a time.
const ROWS_AT_ONCE: usize = 500;

/// The longest line that is read: a row in base64 or with every character escaped.
const LINE_MAX: u64 = (2 * MAX_KEY + 6 * MAX_VALUE + 200) as u64;

/// Why a catalog could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum PortableError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file is not whole, or no export.
    #[error("line {line}: {detail}")]
    Bad {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
}

/// What was exported, or imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ported {
    /// When the file was written.
    pub exported_at: DateTime<Utc>,
    /// How many rows it has.
    pub rows: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    stemvault: String,
    v: u32,
    exported_at: DateTime<Utc>,
}

/// A row or the end: exactly one of its three forms.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

#[derive(Serialize, Deserialize)]
struct End {
    rows: u64,
    blake3: String,
}

/// Writes every row. Nobody else may write to the catalog meanwhile.
///
/// # Errors
/// When the catalog cannot be read or the file not written.
pub async fn export(
    catalog: &dyn Catalog,
    now: DateTime<Utc>,
    file: &mut (dyn Write + Send),
) -> Result<Ported, PortableError> {
    let mut out = Hashed::new(file);
    out.line(&Head {
        stemvault: "catalog".to_owned(),
        v: VERSION,
        exported_at: now,
    })?;
    let (mut rows, mut range) = (0, KeyRange::prefix(&Key(Vec::new())));
    loop {
        let found = catalog.scan(range.clone(), ROWS_AT_ONCE).await?;
        for (key, row) in &found {
            // Records are JSON objects; what is sealed is not.
            let json = serde_json::from_slice(&row.value).ok();
            let json = json.filter(serde_json::Value::is_object);
            let base64 = json.is_none().then(|| STANDARD.encode(&row.value));
            let key = Some(hex::encode(&key.0));
            out.line(&Line {
                key,
                json,
                base64,
                end: None,
            })?;
            rows += 1;
        }
        match found.last() {
            Some((last, _)) if found.len() == ROWS_AT_ONCE => range = range.after(last.clone()),
            _ => break,
        }
    }
    let blake3 = out.hash.finalize().to_hex().to_string();
    out.line(&Line {
        end: Some(End { rows, blake3 }),
        ..Line::default()
    })?;
    Ok(Ported {
        exported_at: now,
        rows,
    })
}

/// Puts every row of an export into an empty catalog. After an error the catalog is to be thrown
/// away: the file is known to be whole only at its end.
///
/// # Errors
/// [`PortableError::Bad`] names the line.
pub async fn import(
    catalog: &dyn Catalog,
    file: &mut (dyn BufRead + Send),
) -> Result<Ported, PortableError> {
    let mut lines = Lines {
        file,
        number: 0,
        hash: blake3::Hasher::new(),
    };
    let head: Head = lines.next(true)?;
    if head.stemvault != "catalog" || head.v != VERSION {
        let detail = format!("it is no catalog export of version {VERSION}");
        return Err(lines.bad(detail));
    }
    let (mut rows, mut batch, mut waiting) = (0, Batch::new(), 0);
    loop {
        let before = lines.hash.finalize().to_hex().to_string();
        let line: Line = lines.next(false)?;
        if let Some(end) = line.end {
            if end.rows != rows || end.blake3 != before {
                return Err(lines.bad("the file was changed, or lines of it are missing".into()));
            }
            lines.nothing_more()?;
            commit(catalog, batch).await?;
            return Ok(Ported {
                exported_at: head.exported_at,
                rows,
            });
        }
        let (key, value) = lines.row(line)?;
        batch = batch.put(key, value);
        (rows, waiting) = (rows + 1, waiting + 1);
        if waiting == ROWS_AT_ONCE {
            commit(catalog, std::mem::take(&mut batch)).await?;
            waiting = 0;
        }
    }
}

async fn commit(catalog: &dyn Catalog, batch: Batch) -> Result<(), CatalogError> {
    match catalog.commit(batch).await {
        Ok(()) => Ok(()),
        Err(CommitError::Failed(error)) => Err(error),
        Err(CommitError::Conflict(key)) => Err(CatalogError::Corrupt {
            path: std::path::PathBuf::new(),
            detail: format!("unexpected conflict on {key}"),
        }),
    }
}

/// Lines on their way out.
struct Hashed<'a> {
    file: &'a mut (dyn Write + Send),
    hash: blake3::Hasher,
}

impl<'a> Hashed<'a> {
    fn new(file: &'a mut (dyn Write + Send)) -> Self {
        Self {
            file,
            hash: blake3::Hasher::new(),
        }
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), PortableError> {
        let mut bytes = serde_json::to_vec(line).expect("lines are plain data");
        bytes.push(b'\n');
        self.hash.update(&bytes);
        Ok(self.file.write_all(&bytes)?)
    }
}

/// Lines on their way in.
struct Lines<'a> {
    file: &'a mut (dyn BufRead + Send),
    number: u64,
    hash: blake3::Hasher,
}

impl Lines<'_> {
    fn bad(&self, detail: String) -> PortableError {
        let line = self.number;
        PortableError::Bad { line, detail }
    }

    fn next<T: serde::de::DeserializeOwned>(&mut self, first: bool) -> Result<T, PortableError> {
        self.number += 1;
        let mut bytes = Vec::new();
        let mut line = std::io::Read::take(&mut *self.file, LINE_MAX);
        line.read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            let what = if first {
                "it is no catalog export"
            } else {
                "the file ends before its last line, or a line is too long: copy it again"
            };
            return Err(self.bad(what.to_owned()));
        }
        self.hash.update(&bytes);
        serde_json::from_slice(&bytes).map_err(|error| self.bad(error.to_string()))
    }

    fn row(&self, line: Line) -> Result<(Key, Vec<u8>), PortableError> {
        let value = match (line.json, line.base64) {
            (Some(json), None) => json.to_string().into_bytes(),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map_err(|error| self.bad(error.to_string()))?,
            _ => return Err(self.bad("it is neither a row nor the end".into())),
        };
        let key = hex::decode(line.key.unwrap_or_default());
        let key = key.map_err(|error| self.bad(error.to_string()))?;
        if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(self.bad("the row has no key, or is too long".into()));
        }
        Ok((Key(key), value))
    }

    fn nothing_more(&mut self) -> Result<(), PortableError> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(());
        }
        self.number += 1;
        Err(self.bad("something stands behind the end".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryCatalog;

    async fn some() -> (MemoryCatalog, Vec<u8>) {
        let catalog = MemoryCatalog::new();
        let mut batch = Batch::new();
        for at in 0..1200_u32 {
            let key = Key([&b"u"[..], &at.to_be_bytes()].concat());
            batch = match at % 3 {
                0 => batch.put(key, vec![0, 255, b'{']),
                1 => batch.put(key, format!(r#"{{"at":{at},"big":{},"v":1}}"#, u64::MAX)),
                _ => batch.put(key, Vec::new()),
            };
        }
        catalog.commit(batch).await.unwrap();
        let mut file = Vec::new();
        let told = export(&catalog, "2026-01-05T09:00:00Z".parse().unwrap(), &mut file).await;
        assert_eq!(told.unwrap().rows, 1200);
        (catalog, file)
    }

    async fn all(catalog: &MemoryCatalog) -> Vec<(Key, bytes::Bytes)> {
        let rows = catalog.scan_prefix(&Key(Vec::new())).await.unwrap();
        rows.into_iter()
            .map(|(key, row)| (key, row.value))
            .collect()
    }

    #[tokio::test]
    async fn what_was_exported_is_what_is_imported() {
        let (catalog, file) = some().await;
        let other = MemoryCatalog::new();
        let told = import(&other, &mut &file[..]).await.unwrap();
        assert_eq!(told.rows, 1200);
        assert_eq!(all(&other).await, all(&catalog).await);
    }

    #[tokio::test]
    async fn a_file_that_is_not_whole_is_refused_with_its_line() {
        let (_, file) = some().await;
        let refused = async |file: &[u8]| {
            let told = import(&MemoryCatalog::new(), &mut &file[..]).await;
            told.unwrap_err().to_string()
        };
        for cut in [0, 10, file.len() / 2, file.len() - 1] {
            assert!(refused(&file[..cut]).await.starts_with("line "), "{cut}");
        }
        let text = String::from_utf8(file.clone()).unwrap();
        let one_less: Vec<_> = text.split_inclusive('\n').enumerate().collect();
        let one_less: String = one_less
            .into_iter()
            .filter(|(at, _)| *at != 7)
            .map(|(_, it)| it)
            .collect();
        assert!(refused(one_less.as_bytes()).await.contains("missing"));
        assert!(
            refused(text.replace("\"at\":4,", "\"at\":5,").as_bytes())
                .await
                .contains("changed")
        );
        assert!(
            refused((text.clone() + "{}\n").as_bytes())
                .await
                .contains("behind the end")
        );
        assert!(
            refused(text.replacen("\"v\":1", "\"v\":2", 1).as_bytes())
                .await
                .contains("version 1")
        );
        assert!(refused(b"PK\x03\x04").await.contains("no catalog export"));
    }
}
