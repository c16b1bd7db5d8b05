//! `Upload-Concat`: parts, and files that are made of them.

use axum::http::{HeaderMap, HeaderValue};
use stemvault_storage::intake::NamedPart;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::upload::{Role, Upload};

use crate::app::App;
use crate::error::Answer;
use crate::upload::door::{Door, Mount, upload_link};
use crate::upload::upload_id;

/// The longest address of a part, in bytes.
pub(crate) const ADDRESS_MAX: usize = 2048;

/// What a creation says of parts.
#[derive(Debug)]
pub(crate) enum Concat {
    /// It is one.
    Partial,
    /// It is made of these, by their addresses as sent.
    Final(Vec<String>),
}

impl Concat {
    /// What the headers of a creation say.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] when it cannot be read.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(header) = headers.get("upload-concat") else {
            return Ok(None);
        };
        let header = header.to_str().map(str::trim).unwrap_or_default();
        if header == "partial" {
            return Ok(Some(Self::Partial));
        }
        let parts = header.strip_prefix("final;").map(|parts| {
            let parts = parts.split(' ').filter(|part| !part.is_empty());
            parts.map(ToOwned::to_owned).collect::<Vec<_>>()
        });
        let parts = parts.filter(|parts| {
            !parts.is_empty() && parts.iter().all(|part| part.len() <= ADDRESS_MAX)
        });
        let Some(parts) = parts else {
            let message = "the Upload-Concat header cannot be read: send \"partial\" for a part, and \"final;\" with the addresses of all parts, a space between them, for the file";
            return Err(Refusal::new(RefusalKind::BadRequest, message));
        };
        Ok(Some(Self::Final(parts)))
    }
}

/// The part that an address names, wherever a proxy has put it: only its end counts. A link in it
/// must open the part, even for those who need none.
pub(super) async fn named(app: &App, mount: &Mount, door: &Door, said: &str) -> Answer<NamedPart> {
    Ok(NamedPart {
        part: match known(app, mount, door, said).await {
            Ok(part) => part,
            Err(failure) if failure.status().is_server_error() => return Err(failure),
            Err(_) => None,
        },
        said: said.to_owned(),
    })
}

async fn known(
    app: &App,
    mount: &Mount,
    door: &Door,
    said: &str,
) -> Answer<Option<stemvault_storage::ids::UploadId>> {
    let address = said.split(['?', '#']).next().unwrap_or_default();
    let mut segments = address.trim_end_matches('/').rsplit('/');
    let name = segments.next().unwrap_or_default();
    let (last, before) = (segments.next(), segments.next());
    let Some(id) = upload_id(name) else {
        return Ok(None);
    };
    if let (Some(link), Some("u")) = (last, before) {
        if !matches!(mount, Mount::Link(own) if own == link) {
            let link = upload_link(app, link).await?;
            door.upload(app, name).await?;
            Door::Link(link).upload(app, name).await?;
        }
    } else if !matches!(last, None | Some("files")) {
        return Ok(None);
    }
    door.upload(app, name).await?;
    Ok(Some(id))
}

/// The header of an upload, as it was sent.
pub(super) async fn as_sent(app: &App, upload: &Upload) -> Answer<Option<HeaderValue>> {
    let header = match upload.role {
        Role::File | Role::RemovedPart => return Ok(None),
        Role::Part => "partial".to_owned(),
        Role::Final => {
            let parts = app.vault.rows.parts_of(upload.id).await?;
            if parts.is_empty() {
                return Ok(None);
            }
            let said: Vec<_> = parts.into_iter().map(|part| part.said).collect();
            format!("final;{}", said.join(" "))
        }
    };
    Ok(HeaderValue::try_from(header).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_finals_are_told_apart() {
        let of = |header: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("upload-concat", HeaderValue::from_static(header));
            Concat::of(&headers)
        };
        assert!(matches!(of("partial"), Ok(Some(Concat::Partial))));
        let Ok(Some(Concat::Final(parts))) = of("final;/files/a  https://x/y/files/b") else {
            panic!("no final");
        };
        assert_eq!(parts, ["/files/a", "https://x/y/files/b"]);
        for wrong in ["", "final", "final;", "final; ", "Partial", "partial;a"] {
            let said = of(wrong).unwrap_err().message;
            assert!(said.contains("cannot be read"), "{wrong}: {said}");
        }
        assert!(Concat::of(&HeaderMap::new()).unwrap().is_none());
    }
}
