//! Real recordings, as Debian ships them: found by kit and name, decoded to samples.
//!
//! A recording that is not installed is an error that names the package to install. FLAC is
//! decoded by Debian's `flac`, WAV here; nothing is resampled, rescaled or dithered.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Sample frames per second.
    pub rate: u32,
    /// Bits per sample, 16 or 24.
    pub bits: u16,
    /// Channels of a frame, 1 or 2.
    pub channels: u16,
}

impl Format {
    /// Bytes of one sample frame.
    #[must_use]
    pub fn frame_bytes(self) -> usize {
        usize::from(self.channels) * usize::from(self.bits / 8)
    }
}

/// A decoded recording: interleaved samples.
#[derive(Debug, Clone)]
pub struct Recording {
    /// How it was recorded.
    pub format: Format,
    /// Interleaved samples, sign-extended.
    pub samples: Vec<i32>,
}

impl Recording {
    /// Sample frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.format.channels)
    }
}

/// Where `name` of `kit` is installed; `kit` is `sonic-pi` or the folder of a Hydrogen drum kit.
///
/// # Errors
/// If it is not there, with the package that holds it.
pub fn locate(kit: &str, name: &str) -> Result<PathBuf> {
    let (folder, package) = match kit {
        "sonic-pi" => (
            PathBuf::from("/usr/share/sonic-pi/samples"),
            "sonic-pi-samples",
        ),
        "belofilms_GuitarStrums" => (hydrogen(kit), "hydrogen-drumkits-effects"),
        _ => (hydrogen(kit), "hydrogen-drumkits"),
    };
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is not installed: apt-get install {package}, or run ./tests/run, which does it",
        path.display()
    );
    Ok(path)
}

fn hydrogen(kit: &str) -> PathBuf {
    Path::new("/usr/share/hydrogen/data/drumkits").join(kit)
}

/// Decodes one recording.
///
/// # Errors
/// If it is not installed, or is not 16 or 24 bit WAV or FLAC of one or two channels.
pub fn decode(kit: &str, name: &str) -> Result<Recording> {
    let path = locate(kit, name)?;
    let bytes = std::fs::read(&path)?;
    let (format, pcm) = if bytes.starts_with(b"fLaC") {
        (flac_format(&bytes)?, flac_pcm(&path)?)
    } else {
        wav(&bytes)?
    };
    ensure!(
        matches!(format.bits, 16 | 24) && matches!(format.channels, 1 | 2),
        "{}: {format:?} is not a format that stems come in",
        path.display()
    );
    let width = usize::from(format.bits / 8);
    let samples = pcm
        .chunks_exact(width)
        .map(|sample| {
            let mut wide = [0u8; 4];
            wide[4 - width..].copy_from_slice(sample);
            i32::from_le_bytes(wide) >> (32 - i32::from(format.bits))
        })
        .collect();
    Ok(Recording { format, samples })
}

/// Reads STREAMINFO, which is always the first block of a FLAC file.
fn flac_format(bytes: &[u8]) -> Result<Format> {
    let info = bytes.get(8..26).context("a FLAC file without STREAMINFO")?;
    let packed = u64::from_be_bytes(info[10..18].try_into()?);
    Ok(Format {
        rate: u32::try_from(packed >> 44)?,
        channels: u16::try_from((packed >> 41) & 7)? + 1,
        bits: u16::try_from((packed >> 36) & 31)? + 1,
    })
}

fn flac_pcm(path: &Path) -> Result<Vec<u8>> {
    let decoded = Command::new("flac")
        .args(["--decode", "--silent", "--stdout", "--force-raw-format"])
        .args(["--endian=little", "--sign=signed"])
        .arg(path)
        .output()
        .context("flac is not installed: apt-get install flac, or run ./tests/run")?;
    ensure!(
        decoded.status.success(),
        "flac cannot decode {}: {}",
        path.display(),
        String::from_utf8_lossy(&decoded.stderr)
    );
    Ok(decoded.stdout)
}

fn wav(bytes: &[u8]) -> Result<(Format, Vec<u8>)> {
    ensure!(
        bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"),
        "neither FLAC nor WAV"
    );
    let mut format = None;
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes(head[4..8].try_into()?) as usize;
        let body = bytes
            .get(at + 8..at + 8 + length)
            .context("a WAV chunk that ends after its file")?;
        match &head[..4] {
            b"fmt " => {
                format = Some(Format {
                    channels: u16::from_le_bytes(body[2..4].try_into()?),
                    rate: u32::from_le_bytes(body[4..8].try_into()?),
                    bits: u16::from_le_bytes(body[14..16].try_into()?),
                });
            }
            b"data" => return Ok((format.context("samples before fmt")?, body.to_vec())),
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    bail!("a WAV file without samples")
}
