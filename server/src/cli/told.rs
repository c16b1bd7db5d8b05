//! Telling the server which files a push has compared after they had arrived, so that the receipt says
//! it. A server that cannot be told takes nothing from the push: what was compared was compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use super::sending::Line;
use stemvault_client::answer::Failure;
use stemvault_client::connection::Connection;

/// Files in one request; the server takes 512.
const AT_ONCE: usize = 256;

/// Tells it of every line that was checked. `to` is the address for it.
///
/// # Errors
/// The first answer that is no yes.
pub(super) async fn tell_checked(
    connection: &Connection,
    to: &Url,
    lines: &[Line],
) -> Result<(), Failure> {
    let checked: Vec<_> = lines
        .iter()
        .filter(|line| line.checked && line.problem.is_none())
        .filter_map(|line| Some((line.upload.as_deref()?, line.hash.as_deref()?)))
        .collect();
    for some in checked.chunks(AT_ONCE) {
        let files: BTreeMap<_, _> = some.iter().copied().collect();
        let _: Value = connection.post(to, &json!({ "files": files })).await?;
    }
    Ok(())
}
