//! Where bytes are kept: the URL of a store, and which store lies inside which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use url::Url;

use crate::file::Raw;
use crate::kind::{Kind, Optional, Wrong, quoted, text};
use crate::options;
use crate::problem::Origin;
use crate::reader::Reader;
use crate::secret::Secret;

/// Where bytes are kept.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The store of uploads and of everything else that is not archived.
    pub working: StoreUrl,
    /// The store of the archive; the working store unless it is set.
    pub archive: StoreUrl,
    /// The store of the orders' keys; never inside one of the others.
    pub keys: StoreUrl,
    /// A second copy of working and archive store; set exactly if `mirror_keys` is.
    pub mirror: Option<StoreUrl>,
    /// A second copy of the key store, apart from `mirror`.
    pub mirror_keys: Option<StoreUrl>,
}

impl Stores {
    pub(crate) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        let folder = |name| {
            Url::from_file_path(data_dir.join(name)).map_or_else(|()| String::new(), String::from)
        };
        let mut store = |key: &str, about, default: &str| {
            let url = reader.value(key, about, &StoreAddress, default);
            let options = options::read(reader, key, Some(&url));
            StoreUrl { url, options }
        };
        let working = store(
            "stores.working",
            "Where uploads are kept: file:, s3:, az: or gs:.",
            &folder("bucket"),
        );
        let keys = store(
            "stores.keys",
            "Where the orders' keys are kept; never inside one of the other stores.",
            &folder("keys"),
        );
        let about = "Where the archive is kept; the working store unless it is set.";
        let archive = reader.value("stores.archive", about, &StoreAddress, working.url.as_str());
        let archive = if reader.origin("stores.archive") == Origin::Default {
            options::read(reader, "stores.archive", None);
            working.clone()
        } else {
            let options = options::read(reader, "stores.archive", Some(&archive));
            StoreUrl {
                url: archive,
                options,
            }
        };
        let mut second = |key: &str, about| {
            let url = reader.value(key, about, &Optional(StoreAddress), "");
            let options = options::read(reader, key, url.as_ref());
            Some(StoreUrl { url: url?, options })
        };
        let mirror = second(
            "stores.mirror",
            "Where a second copy of working and archive store is kept. None: there is none.",
        );
        let mirror_keys = second(
            "stores.mirror_keys",
            "Where a second copy of the key store is kept; apart from `stores.mirror`.",
        );
        Self {
            working,
            archive,
            keys,
            mirror,
            mirror_keys,
        }
    }
}

/// A store and what is needed to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    /// `file:///absolute/folder`, `s3://bucket/prefix`, `az://container/prefix` or
    /// `gs://bucket/prefix`; never with credentials, query or fragment.
    pub url: Url,
    /// Options under the names of `object_store`'s configuration keys (`region`,
    /// `secret_access_key`), the environment's (`AWS_REGION`) included. Empty for `file:`.
    pub options: BTreeMap<String, Secret>,
}

impl StoreUrl {
    /// The folder of a `file:` store.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file").then(|| self.url.to_file_path().ok())?
    }

    /// Whether both are in the same bucket or container; folders never are.
    pub(crate) fn same_bucket(&self, other: &Self) -> bool {
        self.url.scheme() != "file" && self.server() == other.server()
    }

    /// Whether `other` is this place or a place below it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        let segments = |store: &Self| -> Vec<String> {
            let path = store.url.path().split('/');
            path.filter(|s| !s.is_empty()).map(str::to_owned).collect()
        };
        self.server() == other.server() && segments(other).starts_with(&segments(self))
    }

    /// What tells two buckets of one name apart: provider, account or endpoint, name.
    fn server(&self) -> (&str, Option<&str>, Option<&str>) {
        let option = |name| self.options.get(name).map(|value: &Secret| value.expose());
        let provider = option("account_name").or_else(|| option("endpoint"));
        let provider = provider.map(|provider| provider.trim_end_matches('/'));
        (self.url.scheme(), provider, self.url.host_str())
    }
}

/// The syntax of a store's URL.
pub(crate) struct StoreAddress;

impl Kind for StoreAddress {
    type Value = Url;

    fn parse(&self, raw: &Raw) -> Result<Url, Wrong> {
        const INSTEAD: &str = "write a store as in \"file:/srv/stemvault/bucket\", \
                               \"s3://bucket\", \"az://container\" or \"gs://bucket\"";
        let typed = text(raw, "file:/srv/stemvault/bucket")?;
        let refuse = |why: &str| Err(Wrong::new(format!("{} {why}", quoted(typed)), INSTEAD));
        if typed.starts_with('/') {
            return Err(Wrong::new(
                format!("{} is a path, not the URL of a store", quoted(typed)),
                format!("write {}", quoted(&format!("file:{typed}"))),
            ));
        }
        let Ok(url) = Url::parse(typed) else {
            // Not repeated: whoever writes credentials here may also mistype the rest.
            return Err(Wrong::new("is not the URL of a store", INSTEAD));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Wrong::new(
                "holds a user name or a password",
                "take it out and use the store's options or the environment",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Wrong::new(
                "has a ? or # in it",
                "write %3F for ? and %23 for # in a folder's name; options go in their own table",
            ));
        }
        match url.scheme() {
            "file" => {
                let rest = typed.split_once(':').map_or("", |(_, rest)| rest);
                if !rest.starts_with('/') {
                    return Err(Wrong::new(
                        format!("{} is not a whole path", quoted(typed)),
                        "start it with /, as in \"file:/srv/stemvault/bucket\"",
                    ));
                }
                if url.to_file_path().is_err() {
                    return refuse("is on another machine or is not a path");
                }
                if url.path() == "/" {
                    return refuse("is the whole disk");
                }
            }
            "s3" | "az" | "gs" => {
                if url.host_str().is_none_or(str::is_empty) {
                    return refuse("names no bucket");
                }
                if url.port().is_some() {
                    return refuse("has a port, which belongs in the option endpoint");
                }
            }
            _ => return refuse("is of a kind that is not known"),
        }
        Ok(url)
    }

    fn show(&self, value: &Url) -> String {
        quoted(value.as_str())
    }
}
