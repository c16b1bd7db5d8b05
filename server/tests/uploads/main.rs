//! Uploads and downloads through the router, with bodies that come in pieces, break and stall.

mod downloads;
mod interrupted;
mod links;
mod page;
mod protocol;
mod studio;
mod wire;
