//! Names that are the same in every run of a seed: random ids become numbers in the order in which
//! they are first met, so that neither a trace nor an order of things depends on them.

use std::collections::HashMap;

use object_store::path::Path;
use stemvault_storage::catalog::Key;

/// Ids that were met.
#[derive(Debug, Default)]
pub struct Names {
    met: HashMap<String, usize>,
}

impl Names {
    /// Of an id.
    pub fn of(&mut self, id: &str) -> String {
        let random = id.len() >= 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        if !random {
            return id.to_owned();
        }
        let next = self.met.len();
        let number = *self.met.entry(id.to_owned()).or_insert(next);
        format!("#{number:06}")
    }

    /// Of an object or a folder.
    pub fn path(&mut self, path: &Path) -> String {
        if path.as_ref().starts_with("probe-") {
            return "probe".to_owned();
        }
        let mut name = |part: &str| match part.rsplit_once('-') {
            // A snapshot: when it was taken, and an id.
            Some((time, id)) => format!("{time}-{}", self.of(id)),
            None => self.of(part),
        };
        let parts: Vec<_> = path.parts().map(|part| name(part.as_ref())).collect();
        parts.join("/")
    }

    /// Of a row: its table, and the ids in its key.
    pub fn key(&mut self, key: &Key) -> String {
        let Some((&table, rest)) = key.0.split_first() else {
            return String::new();
        };
        let name = char::from(table).to_string();
        match table {
            b'n' | b'j' => name + &String::from_utf8_lossy(rest),
            b'r' => name,
            b'l' | b't' => name + &self.of(&hex::encode(rest)),
            _ => {
                let (id, rest) = rest.split_at(rest.len().min(16));
                let second = hex::encode(rest);
                [name, self.of(&hex::encode(id)), self.of(&second)].join("/")
            }
        }
    }
}
