//! Addresses of networks and interfaces: prefixes (CIDR, RFC 4632 and RFC 4291 §2.3) and hardware
//! addresses.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

use thiserror::Error;

/// A network's address and the number of its leading bits: `10.0.0.0/24`, `2001:db8::/64`. No bit
/// behind them is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// An address of an interface and the length of its network's prefix: `10.0.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many leading bits name the network.
    pub length: u8,
}

/// Text that is no prefix or no interface address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPrefix {
    /// It is not of the form at all.
    #[error("expected ADDRESS/LENGTH such as {example}")]
    Form {
        /// What it could look like.
        example: &'static str,
    },
    /// The length is greater than the address is long.
    #[error("expected a length of at most {most} bits, got {length}")]
    Length {
        /// The length as given.
        length: u8,
        /// The bits of the address.
        most: u8,
    },
    /// Bits behind the prefix are set: it is the address of a host.
    #[error("bits behind the prefix are set; the network is {network}")]
    HostBits {
        /// The network that holds the address.
        network: Prefix,
    },
}

impl Prefix {
    /// Reads `ADDRESS/LENGTH`.
    ///
    /// # Errors
    /// [`InvalidPrefix`] says what is wrong; where only bits behind the prefix are set, it carries the
    /// network that may be meant.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        let InterfaceAddress { address, length } =
            parse(text).map_err(|it| it.unwrap_or(InvalidPrefix::Form { example: "10.0.0.0/24" }))?;
        let network = Self::around(address, length);
        if network.address == address { Ok(network) } else { Err(InvalidPrefix::HostBits { network }) }
    }

    /// Returns the network's first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the number of leading bits.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Says whether an address lies in the network; an IPv4 address never lies in an IPv6 network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::around(address, self.length) == *self
    }

    /// Says whether any address lies in both networks.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// Clears the bits behind the prefix. `length` is at most the bits of the address.
    fn around(address: IpAddr, length: u8) -> Self {
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Self { address, length }
    }
}

impl InterfaceAddress {
    /// Reads `ADDRESS/LENGTH`.
    ///
    /// # Errors
    /// [`InvalidPrefix`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        parse(text).map_err(|it| it.unwrap_or(InvalidPrefix::Form { example: "10.0.0.1/24" }))
    }

    /// Says whether several hosts may have the address at once, because it means something only on
    /// the host or link itself: loopback and link-local addresses.
    pub fn is_local(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        }
    }
}

/// Reads `ADDRESS/LENGTH`; the error is None where the form is another.
fn parse(text: &str) -> Result<InterfaceAddress, Option<InvalidPrefix>> {
    let (address, length) = text.split_once('/').ok_or(None)?;
    let address: IpAddr = address.parse().map_err(|_| None)?;
    let is_number = (1..=3).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| is_number).ok_or(None)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if length > most {
        return Err(Some(InvalidPrefix::Length { length, most }));
    }
    Ok(InterfaceAddress { address, length })
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The hardware address of an interface (EUI-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Reads six pairs of hexadecimal digits with `:` or `-` between them.
    pub fn parse(text: &str) -> Option<Self> {
        let separator = if text.contains(':') { ':' } else { '-' };
        let mut bytes = [0; 6];
        let mut pairs = text.split(separator);
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2)?;
            let is_hexadecimal = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_hexadecimal)?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let got = Prefix::parse(text).map(|it| it.to_string()).map_err(|error| error.to_string());
        assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn prefixes() {
        check("10.0.0.0/24", Ok("10.0.0.0/24"));
        check("0.0.0.0/0", Ok("0.0.0.0/0"));
        check("10.0.0.1/32", Ok("10.0.0.1/32"));
        check("2001:db8::/32", Ok("2001:db8::/32"));
        check("::/0", Ok("::/0"));
        check("2001:DB8:0::/48", Ok("2001:db8::/48"));
        check("10.0.0.1/24", Err("bits behind the prefix are set; the network is 10.0.0.0/24"));
        check("2001:db8::1/64", Err("bits behind the prefix are set; the network is 2001:db8::/64"));
        check("10.0.0.0/33", Err("expected a length of at most 32 bits, got 33"));
        for bad in
            ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0/24", "x/24", "::/0000"]
        {
            check(bad, Err("expected ADDRESS/LENGTH such as 10.0.0.0/24"));
        }
    }

    #[test]
    fn networks_contain_and_overlap() {
        let prefix = |text| Prefix::parse(text).expect(text);
        let address = |text: &str| text.parse().expect(text);
        assert!(prefix("10.0.0.0/24").contains(address("10.0.0.255")));
        assert!(!prefix("10.0.0.0/24").contains(address("10.0.1.0")));
        assert!(prefix("0.0.0.0/0").contains(address("255.0.0.1")));
        assert!(!prefix("0.0.0.0/0").contains(address("::1")));
        assert!(prefix("10.0.0.0/8").overlaps(&prefix("10.3.0.0/16")));
        assert!(prefix("10.3.0.0/16").overlaps(&prefix("10.0.0.0/8")));
        assert!(!prefix("10.3.0.0/16").overlaps(&prefix("10.2.0.0/16")));
    }

    #[test]
    fn hardware_addresses() {
        for good in ["AA:bb:cc:00:11:22", "aa-bb-cc-00-11-22"] {
            assert_eq!(MacAddress::parse(good).expect(good).to_string(), "aa:bb:cc:00:11:22");
        }
        for bad in
            ["", "aa:bb", "aa:bb:cc:00:11:22:33", "aa:bb-cc:00:11:22", "+a:bb:cc:00:11:22", "g0:0:0:0:0:0"]
        {
            assert_eq!(MacAddress::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), bits in any::<u128>(), length in 0_u8..=128) {
            let _ = (Prefix::parse(&text), InterfaceAddress::parse(&text), MacAddress::parse(&text));
            let given = format!("{}/{length}", Ipv6Addr::from_bits(bits));
            let address = InterfaceAddress::parse(&given).expect("a good address");
            prop_assert!(Prefix::around(address.address, length).contains(address.address));
        }
    }
}
