//! The master key's place: a file, or an environment variable for those who keep secrets there.

use std::path::{Path, PathBuf};

use crate::environment::MASTER_KEY;
use crate::file::{Given, Raw};
use crate::kind::{Kind, WholePath, Wrong, quoted};
use crate::reader::Reader;
use crate::secret::Secret;

/// What protects the orders' keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
}

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file, made on first start.
    File(PathBuf),
    /// The variable `STEMVAULT_MASTER_KEY`, whose content this is.
    Environment(Secret),
}

/// Reads [`MasterKeySource`]: a path, or the word `environment`.
struct MasterKey {
    variable: Option<Secret>,
}

impl Kind for MasterKey {
    type Value = MasterKeySource;

    fn parse(&self, raw: &Raw) -> Result<MasterKeySource, Wrong> {
        match (raw, &self.variable) {
            (Raw::Plain(text) | Raw::Text(text), key) if text.trim() == "environment" => key
                .clone()
                .map(MasterKeySource::Environment)
                .ok_or_else(|| {
                    Wrong::new(
                        format!("{MASTER_KEY} is not set"),
                        "set it, or write the path of the file that holds the master key",
                    )
                }),
            _ => WholePath("/etc/stemvault/master.key")
                .parse(raw)
                .map(MasterKeySource::File),
        }
    }

    fn show(&self, value: &MasterKeySource) -> String {
        match value {
            MasterKeySource::File(path) => quoted(&path.display().to_string()),
            MasterKeySource::Environment(_) => quoted("environment"),
        }
    }
}

impl Keys {
    pub(crate) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        let key = "keys.master_key";
        let found = reader.variable(MASTER_KEY);
        let variable = found.as_ref().and_then(|given| match &given.raw {
            Raw::Plain(key) => Some(Secret::new(key.trim())),
            _ => None,
        });
        if let Some(given) = found {
            let raw = Raw::Plain("environment".to_owned());
            reader.ambient(key, Given { raw, at: given.at });
        }
        let default = data_dir.join("master.key").display().to_string();
        Self {
            master_key: reader.value(
                key,
                "The file of the master key, or \"environment\" for STEMVAULT_MASTER_KEY.",
                &MasterKey { variable },
                &default,
            ),
        }
    }
}
