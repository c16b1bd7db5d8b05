//! Who got bytes of a session: on record once a day for every credential.
//!
//! Not once a request: a session of 20,000 files is fetched by as many requests and more, and a link
//! may be asked all day. What the log answers is who had a session, and on which days.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::What;
use crate::catalog::Batch;
use crate::core::{Core, TRIES};
use crate::error::{Error, Result};
use crate::ids::{OrderId, SessionId};
use crate::tables::{self, Record, load, put};

/// How long a download by the same credential is the same one.
const ONE: TimeDelta = TimeDelta::days(1);

/// When the log last said that a credential got something of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// When.
    pub at: DateTime<Utc>,
}

impl Record for Fetched {
    const WHAT: &'static str = "download";
}

/// Who got what.
#[derive(Clone, Debug)]
pub struct Downloads {
    pub(crate) core: Arc<Core>,
}

impl Downloads {
    /// Puts on record that whoever this vault is in the hands of gets bytes of a session.
    ///
    /// # Errors
    /// Those of the catalog and of storing the record of the order.
    pub async fn downloaded(&self, order: OrderId, session: SessionId) -> Result<()> {
        let row = tables::fetched_by(order, session, &self.core.who.to_string());
        for _ in 0..TRIES {
            let now = self.core.clock.now();
            let known = load::<Fetched>(&*self.core.catalog, &row).await?;
            if known.is_some_and(|(known, _)| (now - known.at).abs() < ONE) {
                return Ok(());
            }
            let at = self.core.settled(order).await?;
            if at.order.is_gone() {
                // Its bytes are on their way to nowhere.
                return Ok(());
            }
            let batch = put(Batch::new(), row.clone(), &Fetched { at: now });
            let logged = self
                .core
                .decide_about(&at, What::Downloaded(session), batch);
            if Box::pin(logged).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Busy { order })
    }
}
