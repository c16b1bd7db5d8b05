//! What is due, and doing it: the retention plan and the jobs that carry it out.
//!
//! Read first: [`plan`], a pure function from orders and a date to actions. [`guards`] is what
//! stops a run that would delete too much; [`jobs`] does the work, a file per job; [`beat`] is the
//! only file that knows the cron library.

pub mod beat;
pub mod guards;
pub mod jobs;
pub mod plan;

pub use jobs::run::{Note, Outcome, Run};
pub use jobs::{Job, Jobs, RunRequest};
pub use plan::{Action, RetentionPlan, Verb};
