//! Sessions: submitted, accepted, returned; and how an order stands before a submit.

mod review;
mod standing;
mod submit;

use std::sync::Arc;

use crate::core::Core;
use crate::intake::Appends;
use crate::manifests::Manifests;
use crate::rows::UploadRows;
use crate::submits::Submits;

pub use standing::Standing;
pub use submit::{SESSIONS_MAX, SUBMITS_PER_HOUR};

/// The sessions of orders.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) submits: Arc<Submits>,
    pub(crate) appends: Arc<Appends>,
}
