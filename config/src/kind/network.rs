//! Addresses and networks of other machines.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Kind, Wrong, items, quoted, quoted_list};
use crate::file::Raw;

/// IP addresses, or networks as in 10.1.0.0/16; perhaps none, none of them everybody.
pub(crate) struct Networks;

impl Kind for Networks {
    type Value = Vec<IpNet>;

    fn parse(&self, raw: &Raw) -> Result<Vec<IpNet>, Wrong> {
        const EXAMPLE: &str = "[\"127.0.0.1\"], or a network as in [\"172.16.0.0/12\"]";
        let mut networks = Vec::new();
        for item in items(raw, EXAMPLE)? {
            let address = item.parse::<IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| item.parse::<IpNet>()).map_err(|_| {
                Wrong::new(
                    format!("{} is not an IP address or network", quoted(&item)),
                    format!("write {EXAMPLE}"),
                )
            })?;
            if network.prefix_len() == 0 {
                return Err(Wrong::new(
                    format!(
                        "{} is everybody, and anybody could claim any address",
                        quoted(&item)
                    ),
                    format!("write the address of the proxy: {EXAMPLE}"),
                ));
            }
            let network = network.trunc();
            if networks.contains(&network) {
                return Err(Wrong::new(
                    format!("{} is there twice", quoted(&item)),
                    "take one of them out",
                ));
            }
            networks.push(network);
        }
        Ok(networks)
    }

    fn show(&self, value: &Vec<IpNet>) -> String {
        quoted_list(value)
    }
}
