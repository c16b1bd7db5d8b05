//! All settings together: where they are looked for and how they become one checked whole.

mod check;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::file::{File, Raw};
use crate::keys::Keys;
use crate::kind::{Kind, WholePath, Wrong, quoted};
use crate::problem::{Origin, Problems};
use crate::reader::{InForce, Overrides, Reader};
use crate::sections::{
    Archive, Downloads, Intake, Jobs, Log, Orders, Prove, Retention, Server, Uploads,
};
use crate::store::Stores;

/// All settings, checked. The fields are in force; [`Settings::describe`] says who set them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of everything that is not placed elsewhere; absolute.
    pub data_dir: PathBuf,
    /// How the server is reached.
    pub server: Server,
    /// What the server writes about itself.
    pub log: Log,
    /// Where bytes are kept.
    pub stores: Stores,
    /// What protects the orders' keys.
    pub keys: Keys,
    /// Order numbers and what comes with an order.
    pub orders: Orders,
    /// Limits of uploads.
    pub uploads: Uploads,
    /// Limits of downloads.
    pub downloads: Downloads,
    /// Which files are fit to be submitted.
    pub intake: Intake,
    /// What is kept how long.
    pub retention: Retention,
    /// How much of the archives the monthly proof reads.
    pub prove: Prove,
    /// What archiving may take.
    pub archive: Archive,
    /// When the jobs run.
    pub jobs: Jobs,
    in_force: Vec<InForce>,
}

impl Settings {
    /// Reads and checks everything: flags over environment over file over defaults.
    ///
    /// Without `file`, `<data_dir>/stemvault.toml` is read if there is one. Secrets that a
    /// `..._file` setting names are read as well.
    ///
    /// # Errors
    /// All problems at once, if there is any.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Overrides,
    ) -> Result<Self, Problems> {
        let environment = environment.into_iter().collect();
        let mut reader = Reader::new(environment, flags.clone());
        if let Some(file) = file {
            reader.file = File::read(file, &mut reader.problems);
        }
        let data_dir = read_data_dir(&mut reader);
        if file.is_none() {
            read_file_in(&data_dir, &mut reader);
        }
        Self::read(reader, data_dir)
    }

    /// The defaults for a data folder; no file and no environment is read.
    ///
    /// # Errors
    /// If the path is none that settings can hold.
    pub fn defaults(data_dir: &Path) -> Result<Self, Problems> {
        let flags = Overrides::default().with("--data-dir", "data_dir", data_dir.to_string_lossy());
        let mut reader = Reader::new(BTreeMap::new(), flags);
        let data_dir = read_data_dir(&mut reader);
        Self::read(reader, data_dir)
    }

    fn read(mut reader: Reader, data_dir: PathBuf) -> Result<Self, Problems> {
        let mut settings = Self {
            server: Server::read(&mut reader),
            log: Log::read(&mut reader),
            stores: Stores::read(&mut reader, &data_dir),
            keys: Keys::read(&mut reader, &data_dir),
            orders: Orders::read(&mut reader),
            uploads: Uploads::read(&mut reader),
            downloads: Downloads::read(&mut reader),
            intake: Intake::read(&mut reader),
            retention: Retention::read(&mut reader),
            prove: Prove::read(&mut reader),
            archive: Archive::read(&mut reader),
            jobs: Jobs::read(&mut reader),
            data_dir,
            in_force: Vec::new(),
        };
        reader.report_unknown();
        check::contradictions(&settings, &mut reader);
        Problems::check(reader.problems)?;
        settings.in_force = reader.in_force;
        Ok(settings)
    }

    /// Every setting as it was loaded, in reading order, with its origin. Secrets show
    /// as `(set)`.
    #[must_use]
    pub fn describe(&self) -> &[InForce] {
        &self.in_force
    }

    /// The annotated sample file: every setting with its default.
    #[must_use]
    pub fn sample() -> &'static str {
        include_str!("../stemvault.sample.toml")
    }
}

const DATA_DIR: &str = "data_dir";

/// `$XDG_DATA_HOME/stemvault`, or `~/.local/share/stemvault`.
fn read_data_dir(reader: &mut Reader) -> PathBuf {
    // What is no whole path, in readable text, is not worth a default.
    let variable = |name| match reader.variable(name)?.raw {
        Raw::Plain(path) if path.starts_with('/') => {
            WholePath("/home/me").parse(&Raw::Plain(path)).ok()
        }
        _ => None,
    };
    let usual = variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map(|folder| folder.join("stemvault"));
    let default = usual.as_deref().unwrap_or(Path::new("/"));
    let about = "The folder of everything that is not placed elsewhere: bucket, keys, catalog.";
    let kind = WholePath("/srv/stemvault");
    let data_dir = reader.value(DATA_DIR, about, &kind, &default.to_string_lossy());
    if usual.is_none() && reader.origin(DATA_DIR) == Origin::Default && !reader.is_bad(DATA_DIR) {
        reader.refuse(
            DATA_DIR,
            Origin::Default,
            Wrong::new(
                "neither XDG_DATA_HOME nor HOME says where data may be kept",
                "write data_dir = \"/srv/stemvault\" or set STEMVAULT_DATA_DIR",
            ),
        );
    }
    data_dir
}

/// Reads the settings file in the data folder, if there is one. Such a file cannot move the data
/// folder: it was found there.
fn read_file_in(data_dir: &Path, reader: &mut Reader) {
    let path = data_dir.join("stemvault.toml");
    if matches!(path.try_exists(), Ok(false)) {
        return;
    }
    reader.file = File::read(&path, &mut reader.problems);
    if let Some(given) = reader.file.values.remove(DATA_DIR) {
        let shown = quoted(&data_dir.display().to_string());
        match WholePath("/srv/stemvault").parse(&given.raw) {
            Ok(same) if same == data_dir => {}
            Ok(_) => reader.refuse(
                DATA_DIR,
                given.at,
                Wrong::new(
                    format!("names another folder, but this file was found in {shown}"),
                    "take it out, or name the file with --config",
                ),
            ),
            Err(wrong) => reader.refuse(DATA_DIR, given.at, wrong),
        }
    }
}
