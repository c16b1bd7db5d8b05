//! The inputs that are kept in `seeds/`: what the fuzzer begins with, and everything that once
//! broke something.

use std::path::Path;

use stemvault::fuzz::TARGETS;

#[test]
fn nothing_that_is_kept_breaks_anything() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, target) in TARGETS {
        let folder = seeds.join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut fed = 0;
        for file in files {
            let file = file.unwrap().path();
            println!("{}", file.display());
            let bytes = std::fs::read(&file).unwrap();
            // Cut short anywhere, and with any byte gone.
            for end in 0..=bytes.len().min(400) {
                target(&bytes[..end]);
                let mut without = bytes.clone();
                without.drain(end..bytes.len().min(end + 1));
                target(&without);
            }
            target(&bytes);
            fed += 1;
        }
        assert!(fed > 0, "{name} has no seed");
    }
}
