//! One wrapped key in its place: how it is read, and how another takes that place. There is never a
//! moment at which the only copy of a key has not been read back.

use bytes::Bytes;
use object_store::path::Path;

use super::master::Wrapped;
use super::{KeyError, MasterKeys, Owner, whose};
use crate::error::{Error, Result};
use crate::paths;
use crate::store::{Lease, Store};

pub(crate) fn path_of(owner: Owner) -> Path {
    owner.map_or_else(paths::records_key, paths::order_key)
}

/// Opens a key; if it is damaged, from the copy that a rotation may have prepared beside it.
pub(crate) async fn read(
    store: &Store,
    masters: &MasterKeys,
    owner: Owner,
) -> Result<Option<([u8; 32], String)>> {
    let path = path_of(owner);
    let found = read_at(store, masters, &path, owner).await;
    let Err(Error::Key(KeyError::Damaged { .. })) = &found else {
        return found;
    };
    match read_at(store, masters, &paths::prepared(&path), owner).await {
        Ok(Some(beside)) => Ok(Some(beside)),
        _ => found,
    }
}

async fn read_at(
    store: &Store,
    masters: &MasterKeys,
    path: &Path,
    owner: Owner,
) -> Result<Option<([u8; 32], String)>> {
    let Some(bytes) = store.get_opt(path).await? else {
        return Ok(None);
    };
    Ok(Some(opened(&bytes, masters, owner)?))
}

/// The secret in a wrapped key, and the master key that wraps it.
pub(crate) fn opened(
    bytes: &[u8],
    masters: &MasterKeys,
    owner: Owner,
) -> Result<([u8; 32], String), KeyError> {
    let wrapped = Wrapped::parse(bytes, &whose(owner))?;
    let secret = masters.unwrap(&wrapped, &whose(owner))?;
    Ok((secret, wrapped.master))
}

/// Puts a wrapped key. What is there is replaced only after the new one was read back.
pub(crate) async fn put(
    store: &Store,
    masters: &MasterKeys,
    master: &str,
    secret: &[u8; 32],
    owner: Owner,
    lease: Option<&Lease>,
) -> Result<()> {
    let whose = whose(owner);
    let unknown = || KeyError::UnknownMaster {
        whose: whose.clone(),
        id: master.to_owned(),
    };
    let master = masters.get(master).ok_or_else(unknown)?;
    let bytes = Bytes::from(MasterKeys::wrap(master, secret, &whose).bytes());
    let path = path_of(owner);
    let beside = paths::prepared(&path);
    let replaces = store.get_opt(&path).await?.is_some();
    let places = if replaces {
        vec![&beside, &path]
    } else {
        vec![&path]
    };
    for place in places {
        if let Some((folder, _)) = place.as_ref().rsplit_once('/') {
            store.prepare(&Path::from(folder)).await?;
        }
        match lease {
            Some(lease) => store.put(place, bytes.clone(), lease).await?,
            None => store.put_now(place, bytes.clone()).await?,
        }
        match read_at(store, masters, place, owner).await? {
            Some((back, _)) if back == *secret => {}
            _ => {
                let detail = "the key store does not give back what was put".into();
                return Err(KeyError::Damaged { whose, detail }.into());
            }
        }
    }
    if replaces {
        store.delete(&beside).await?;
    }
    Ok(())
}
