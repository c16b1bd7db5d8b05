//! What stops a run before its first delete: too much at once. (A clock that cannot be believed
//! stops it as well: the vault knows.)

use crate::plan::{Action, Verb};

/// How much one run may delete without asking.
#[derive(Clone, Copy, Debug)]
pub struct Brake {
    /// So many orders are always allowed.
    pub orders: u64,
    /// And so many percent of all orders and of all bytes.
    pub percent: u64,
}

/// All orders that hold anything, and their bytes: what the share is taken of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stock {
    /// Orders.
    pub orders: u64,
    /// Plain bytes.
    pub bytes: u64,
}

impl Brake {
    /// Why these deletions stop, if they are too many.
    #[must_use]
    pub fn stops(&self, verb: Verb, due: &[Action], stock: Stock) -> Option<String> {
        let orders = due.len() as u64;
        let bytes: u64 = due.iter().map(|action| action.bytes).sum();
        let share = |part: u64, whole: u64| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(self.percent)
        };
        let too_many = share(orders, stock.orders) || share(bytes, stock.bytes);
        if orders <= self.orders || !too_many {
            return None;
        }
        Some(format!(
            "{} would delete {orders} of {} orders ({bytes} of {} bytes) at once, more than {} orders and {} %: look at `stemvault retention plan`, then say `stemvault retention run --allow-many`",
            verb.name(),
            stock.orders,
            stock.bytes,
            self.orders,
            self.percent
        ))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use stemvault_storage::order::OrderNumber;

    use super::*;

    #[test]
    fn a_few_orders_always_may_go_and_many_only_when_they_are_a_small_share() {
        let brake = Brake {
            orders: 5,
            percent: 20,
        };
        let action = |bytes| Action {
            order: OrderNumber::try_from("1".to_owned()).unwrap(),
            verb: Verb::Purge,
            due_at: DateTime::<Utc>::UNIX_EPOCH,
            reason: String::new(),
            bytes,
        };
        let stock = Stock {
            orders: 100,
            bytes: 1000,
        };
        for (count, bytes, stops) in [
            (5, 200, false),
            (6, 1, false),
            (20, 10, false),
            (21, 1, true),
            (6, 34, true),
        ] {
            let due = vec![action(bytes); count];
            assert_eq!(
                brake.stops(Verb::Purge, &due, stock).is_some(),
                stops,
                "{count} of {bytes}"
            );
        }
    }
}
