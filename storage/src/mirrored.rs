//! How far the mirror is: of which version of an order it has everything. Later decisions, such as one
//! that a download was logged with, take nothing from what it had then.

use std::sync::Arc;

use crate::core::record::OrderRecord;
use crate::core::{Core, OrderAt};
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::order::Order;
use crate::tables::{self, Mirrored, load};

/// Which version of an order the mirror has.
#[derive(Clone, Debug)]
pub struct MirrorRows {
    pub(crate) core: Arc<Core>,
}

impl MirrorRows {
    /// Whether the mirror has everything that was decided on an order.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn is_mirrored(&self, order: &Order) -> Result<bool> {
        Ok(self.mirrored_version(order.id).await? == Some(order.version))
    }

    /// Up to which version of an order the mirror has everything; `None` if it never had.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn mirrored_version(&self, order: OrderId) -> Result<Option<u64>> {
        let row = load::<Mirrored>(&*self.core.catalog, &tables::mirrored(order)).await?;
        Ok(row.map(|(row, _)| row.version))
    }

    /// An order as it was when the mirror had everything of it; `None` if it never had, or if its
    /// record of then is not to be read any more, which the next copying ends.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub(crate) async fn as_mirrored(&self, at: &OrderAt) -> Result<Option<OrderRecord>> {
        let id = at.order.id;
        match self.mirrored_version(id).await? {
            None => Ok(None),
            Some(version) if version == at.order.version => Ok(Some(OrderRecord {
                order: at.order.clone(),
                sessions: self.core.sessions(id).await?,
                links: Vec::new(),
            })),
            Some(version) => match self.core.read_record(id, version).await {
                Ok(record) => Ok(Some(record)),
                Err(Error::Damaged(_)) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}
