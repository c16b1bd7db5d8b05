//! Uploads and downloads through the router, with bodies that come in pieces, break and stall.

mod breakable;
mod checksums;
mod deferred;
mod digests;
mod doors;
mod downloads;
mod form;
mod ietf;
mod ietf_rules;
mod interrupted;
mod limits;
mod line;
mod links;
mod origins;
mod pace;
mod page;
mod parts;
mod pinned;
mod protocol;
mod several;
mod stuck;
mod studio;
mod take_over;
mod wire;
