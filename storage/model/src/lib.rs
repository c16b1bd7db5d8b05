//! The nouns of Stemvault and what is true of them, without any input or output. What comes from outside
//! comes through two seams: the time through [`Clock`](clock::Clock), chance through [`ids`].
//!
//! Read first: [`order`], an order's life. Then [`session`], what is sealed; [`upload`], one file in
//! flight; [`checks`], what is wrong with material; [`audit`], what is written of every decision.

pub mod audit;
pub mod checks;
pub mod clock;
pub mod decimal;
pub mod ids;
pub mod link;
pub mod names;
pub mod number;
pub mod order;
pub mod path;
pub mod refusal;
pub mod session;
pub mod upload;
