//! Builds the server anew when the browser's half was: embedded files are no sources that cargo
//! knows of.

use std::path::Path;

fn main() {
    // A path that is not there would build anew each time.
    let built = ["web/dist", "web"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    for path in ["build.rs", "pages"].into_iter().chain(built) {
        println!("cargo::rerun-if-changed={path}");
    }
}
