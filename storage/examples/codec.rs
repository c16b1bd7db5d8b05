//! Packs and unpacks files with the archive's codec, block by block as the archive does, and says
//! what it cost: one line of JSON a file, with bytes before and after, and seconds of this
//! thread's CPU for [`encode`] (which decodes and compares, too) and [`decode`].
//!
//! For `tests/bench/run codec`; by hand: `cargo run --release -p stemvault-storage --example codec FILE...`

use std::io;

use rustix::time::{ClockId, clock_gettime};
use stemvault_codec::audio::HeaderReader;
use stemvault_codec::pack::{Codec, Samples, decode, encode};
use stemvault_storage::upload::cut::Cut;

fn main() -> io::Result<()> {
    for name in std::env::args().skip(1) {
        let file = std::fs::read(&name)?;
        let cost = measure(&file)?;
        println!(
            r#"{{"file":{name:?},"plain":{},"packed":{},"encode_s":{:.4},"decode_s":{:.4},"predicted":{},"blocks":{}}}"#,
            file.len(),
            cost.packed,
            cost.encode,
            cost.decode,
            cost.predicted,
            cost.blocks
        );
    }
    Ok(())
}

#[derive(Default)]
struct Cost {
    packed: usize,
    encode: f64,
    decode: f64,
    predicted: usize,
    blocks: usize,
}

fn measure(file: &[u8]) -> io::Result<Cost> {
    let samples = samples(file);
    let mut cost = Cost::default();
    for block in blocks(file) {
        let begun = seconds();
        let (codec, packed) = encode(block, samples.as_ref());
        let encoded = seconds();
        let back = decode(codec, &packed, block.len()).map_err(io::Error::other)?;
        let decoded = seconds();
        if back != block {
            return Err(io::Error::other("it does not come back"));
        }
        cost.packed += packed.len();
        cost.encode += encoded - begun;
        cost.decode += decoded - encoded;
        cost.predicted += usize::from(codec == Codec::Predicted);
        cost.blocks += 1;
    }
    Ok(cost)
}

fn samples(mut file: &[u8]) -> Option<Samples> {
    let mut header = HeaderReader::new();
    while !(file.is_empty() || header.is_over()) {
        file = &file[header.push(file)..];
    }
    header.samples().as_ref().and_then(Samples::of)
}

fn blocks(mut file: &[u8]) -> Vec<&[u8]> {
    let mut cut = Cut::new();
    let mut blocks = Vec::new();
    while let Some(length) = cut.next_end(file).filter(|_| !file.is_empty()) {
        let (block, rest) = file.split_at(length);
        blocks.push(block);
        file = rest;
    }
    if !file.is_empty() {
        blocks.push(file);
    }
    blocks
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}
