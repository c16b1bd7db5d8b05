//! Uploads and downloads through the router, with bodies that come in pieces, break and stall.

mod checksums;
mod deferred;
mod doors;
mod downloads;
mod interrupted;
mod line;
mod links;
mod page;
mod parts;
mod protocol;
mod studio;
mod take_over;
mod wire;
