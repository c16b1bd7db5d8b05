//! What a job is. Each stands in a file of its own, and in one line of [`ALL`].

use futures::future::BoxFuture;
use serde::{Deserialize, Deserializer, Serialize, de};
use stemvault_config::{Cron, Jobs as Times};
use stemvault_storage::error::Result;
use stemvault_storage::vault::Vault;

use super::{Pass, scrub};

/// Those that run by themselves, in the order in which a run by hand does them.
const ALL: &[&Facts] = &[
    &super::archive::FACTS,
    &super::end_recall::FACTS,
    &super::release::FACTS,
    &super::purge::FACTS,
    &super::expire::FACTS,
    &super::sweep::FACTS,
    &super::snapshot::FACTS,
    &super::repair::FACTS,
    &super::mirror::FACTS,
    &super::prove::FACTS,
];

/// The facts of a job, if it runs by itself.
pub(super) fn facts_of(job: Job) -> Option<&'static Facts> {
    every().find(|facts| facts.job == job)
}

/// The facts of each of them.
pub(super) fn every() -> impl Iterator<Item = &'static Facts> {
    ALL.iter().copied()
}

/// A job, by its name: the word for it in rows, settings, command line, HTTP and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Job(&'static str);

/// What the file of a job says of it.
pub(super) struct Facts {
    pub(super) job: Job,
    pub(super) time: Time,
    pub(super) lane: Lane,
    /// Whether a run of "every job" leaves it out: it may read for hours, and decides nothing.
    pub(super) apart: bool,
    /// Whether it removes something: its runs are kept for longer.
    pub(super) removes: bool,
    /// Whether it ends or removes something because its time is over: never by a doubtful clock.
    pub(super) by_time: bool,
    pub(super) run: for<'a> fn(&'a mut Pass<'_>) -> BoxFuture<'a, Result<()>>,
}

/// When a job runs by itself.
#[derive(Clone, Copy)]
pub(super) enum Time {
    /// When its setting says.
    Set(fn(&Times) -> &Cron),
    /// The same, where there is something for it at all.
    SetIf(fn(&Times) -> &Cron, fn(&Vault) -> bool),
    /// At a beat that finds something for it.
    If(fn(&Vault) -> bool),
}

/// Beside which others a job runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Decides or removes something: one such job after the other, and never behind a long one.
    InTurn,
    /// Takes long: beside all others.
    Beside,
}

impl Facts {
    /// Whether its setting says when it runs, and there is something for it at all.
    pub(super) fn has_times(&self, vault: &Vault) -> bool {
        match self.time {
            Time::Set(_) => true,
            Time::SetIf(_, exists) => exists(vault),
            Time::If(_) => false,
        }
    }
}

impl Job {
    pub(super) const fn called(name: &'static str) -> Self {
        Self(name)
    }

    /// All that run by themselves.
    pub fn all() -> impl Iterator<Item = Self> {
        every().map(|facts| facts.job)
    }

    /// Their names, one after the other.
    #[must_use]
    pub fn names() -> String {
        Self::all().map(Self::name).collect::<Vec<_>>().join(", ")
    }

    /// The job of this name that runs by itself.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|job| job.name() == name)
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Whether it decides or removes something, and so never waits for one that takes long.
    #[must_use]
    pub fn decides(self) -> bool {
        self.is(|facts| facts.lane == Lane::InTurn)
    }

    /// Whether it removes something.
    pub(crate) fn removes(self) -> bool {
        self.is(|facts| facts.removes)
    }

    fn is(self, so: impl Fn(&Facts) -> bool) -> bool {
        facts_of(self).is_some_and(so)
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let job = Self::all()
            .chain([scrub::JOB])
            .find(|job| job.name() == name);
        job.ok_or_else(|| de::Error::custom(format!("{name:?} is no job")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_written_down_by_its_name_and_read_again() {
        for job in Job::all().chain([scrub::JOB]) {
            let text = serde_json::to_string(&job).unwrap();
            assert_eq!(text, format!("{:?}", job.name()));
            assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        }
        serde_json::from_str::<Job>("\"dance\"").unwrap_err();
    }

    #[test]
    fn no_two_jobs_have_one_name() {
        let mut names: Vec<_> = Job::all().map(Job::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(Job::named("scrub"), None, "it is begun by hand");
    }
}
