//! The suggestion for a misspelt name: the known one that is fewest typing mistakes away.

use strsim::osa_distance;

/// The candidate nearest to `typed`, if one is near enough to be meant: one mistake in three
/// letters, four at most.
pub(crate) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    within(allowed(typed), typed, candidates)
}

/// The known key that an unknown one was meant to be: right but in the wrong section
/// (`server.level`, `level`), misspelt (`server.lisetn`), or both.
pub(crate) fn nearest_key<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed_name = name(typed);
    let named = |wanted: &str| known.iter().copied().find(|key| name(key) == wanted);
    named(typed_name)
        .or_else(|| within(allowed(typed_name), typed, known.iter().copied()))
        .or_else(|| named(nearest(typed_name, known.iter().map(|key| name(key)))?))
}

/// A key without its section.
fn name(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn allowed(typed: &str) -> usize {
    (typed.chars().count() / 3).clamp(1, 4)
}

fn within<'a>(
    allowed: usize,
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_key_and_nonsense_finds_none() {
        let known = ["server.listen", "retention.working_kept", "log.level"];
        assert_eq!(nearest_key("server.lisetn", &known), Some("server.listen"));
        assert_eq!(
            nearest_key("orders.working_kept", &known),
            Some("retention.working_kept")
        );
        assert_eq!(nearest_key("server.level", &known), Some("log.level"));
        assert_eq!(nearest_key("levle", &known), Some("log.level"));
        assert_eq!(nearest_key("colour", &known), None);
    }
}
