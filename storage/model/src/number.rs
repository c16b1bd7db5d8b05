//! Order numbers: what the studio calls an order.

use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RefusalKind};

/// The studio's own name for an order, as it stands on the invoice: 1 to 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderNumber(String);

impl OrderNumber {
    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<OrderNumber> for String {
    fn from(number: OrderNumber) -> Self {
        number.0
    }
}

impl TryFrom<String> for OrderNumber {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let text = text.trim().to_owned();
        let printable = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
        if text.is_empty() || text.chars().count() > 64 || !text.chars().all(printable) {
            return Err(Refusal::new(
                RefusalKind::BadOrderNumber,
                format!(
                    "{text:?} is not an order number: it has 1 to 64 characters, no spaces and no slash"
                ),
            ));
        }
        Ok(Self(text))
    }
}
