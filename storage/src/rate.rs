//! Rates: how often something may happen in a span, for each of many.
//!
//! Pure: the time is told, and only ever runs forward. The memory is bounded: of more than
//! [`KEYS_MAX`] at once, those that come last share one count, so that somebody with many
//! addresses fills a table and nothing else.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Keys that are counted apart; each takes some 60 bytes.
pub const KEYS_MAX: usize = 16_384;

/// So many times in each span, for every key.
#[derive(Debug)]
pub struct Rate<K> {
    most: u64,
    span: Duration,
    windows: HashMap<K, Window>,
    /// Of those for whom there is no room.
    rest: Window,
    /// When those whose span is over were last removed: looking through all for every new key
    /// would be what somebody with many addresses wants.
    swept: Duration,
}

/// A span that began with the first time.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Duration,
    times: u64,
}

impl<K: Eq + Hash> Rate<K> {
    /// At most `most` times in each `span`, which begins with the first of them.
    #[must_use]
    pub fn new(most: u64, span: Duration) -> Self {
        Self {
            most,
            span,
            windows: HashMap::new(),
            rest: Window::default(),
            swept: Duration::ZERO,
        }
    }

    /// How many times a span has.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Counts one time at `now`; `Err` with how long to wait if it is one too many.
    ///
    /// # Errors
    /// The rest of the span.
    pub fn count(&mut self, key: K, now: Duration) -> Result<(), Duration> {
        let (most, span) = (self.most, self.span);
        if self.windows.len() >= KEYS_MAX && now.saturating_sub(self.swept) >= span / 8 {
            self.swept = now;
            self.windows
                .retain(|_, window| now.saturating_sub(window.began) < span);
        }
        let full = self.windows.len() >= KEYS_MAX;
        let window = if full && !self.windows.contains_key(&key) {
            &mut self.rest
        } else {
            self.windows.entry(key).or_insert(Window {
                began: now,
                times: 0,
            })
        };
        let mut passed = now.saturating_sub(window.began);
        if passed >= span {
            *window = Window {
                began: now,
                times: 0,
            };
            passed = Duration::ZERO;
        }
        if window.times >= most {
            return Err(span - passed);
        }
        window.times += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn so_many_in_a_span_and_then_the_rest_of_it_none() {
        let mut rate = Rate::new(2, SPAN);
        assert_eq!(rate.count("a", at(100)), Ok(()));
        assert_eq!(rate.count("a", at(110)), Ok(()));
        assert_eq!(rate.count("a", at(130)), Err(at(30)));
        assert_eq!(rate.count("b", at(130)), Ok(()));
        // Asking too early does not make it longer.
        assert_eq!(rate.count("a", at(159)), Err(at(1)));
        assert_eq!(rate.count("a", at(160)), Ok(()));
    }

    #[test]
    fn any_number_of_keys_takes_no_more_memory_than_the_table() {
        let mut rate = Rate::new(1, SPAN);
        for key in 0..KEYS_MAX {
            assert_eq!(rate.count(key, at(1)), Ok(()));
        }
        // The next ones share one count; who is known keeps the own one.
        assert_eq!(rate.count(KEYS_MAX, at(2)), Ok(()));
        for key in KEYS_MAX + 1..3 * KEYS_MAX {
            assert!(rate.count(key, at(2)).is_err());
        }
        assert!(rate.count(0, at(2)).is_err());
        assert_eq!(rate.windows.len(), KEYS_MAX);
        // When the spans are over there is room again.
        assert_eq!(rate.count(7 * KEYS_MAX, at(61)), Ok(()));
        assert_eq!(rate.windows.len(), 1);
    }
}
