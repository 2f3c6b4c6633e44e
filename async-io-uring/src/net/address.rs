//! `RawAddress`: a socket address as the kernel lays it out.

use std::{
    ffi::OsStr,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::unix::ffi::OsStrExt,
    path::Path,
};

pub(crate) const AF_UNIX: u16 = 1;
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;
pub(crate) const SOCK_STREAM: u32 = 1;

const SIZE: usize = 128;

/// A socket address as the kernel reads and writes it: family, then what the family says.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct RawAddress {
    bytes: [u8; SIZE],
    len: u32,
}

impl RawAddress {
    /// The room for an address, as the kernel is told.
    pub(crate) const CAPACITY: u32 = SIZE as u32;

    /// Room for an address that the kernel writes.
    pub(crate) const fn empty() -> Self {
        Self { bytes: [0; SIZE], len: Self::CAPACITY }
    }

    /// An address of the internet.
    pub(crate) fn internet(address: &SocketAddr) -> Self {
        let mut raw = Self::empty();
        match address {
            SocketAddr::V4(v4) => {
                raw.put(0, &AF_INET.to_ne_bytes());
                raw.put(2, &v4.port().to_be_bytes());
                raw.put(4, &v4.ip().octets());
                raw.len = 16;
            }
            SocketAddr::V6(v6) => {
                raw.put(0, &AF_INET6.to_ne_bytes());
                raw.put(2, &v6.port().to_be_bytes());
                raw.put(4, &v6.flowinfo().to_be_bytes());
                raw.put(8, &v6.ip().octets());
                raw.put(24, &v6.scope_id().to_ne_bytes());
                raw.len = 28;
            }
        }
        raw
    }

    /// The address of a Unix socket.
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        let name = path.as_os_str().as_bytes();
        // One byte less than there is room for: it ends in NUL.
        if name.is_empty() || name.len() > 107 || name.contains(&0) {
            let text = "a path of a Unix socket has 1 to 107 bytes, none of them NUL";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut raw = Self::empty();
        raw.put(0, &AF_UNIX.to_ne_bytes());
        raw.put(2, name);
        raw.len = 2 + name.len() as u32 + 1;
        Ok(raw)
    }

    pub(crate) fn family(&self) -> u16 {
        u16::from_ne_bytes(self.get(0))
    }

    /// Address and length, for the kernel to read.
    pub(crate) const fn as_bytes(&self) -> (*const u8, u32) {
        (self.bytes.as_ptr(), self.len)
    }

    /// Pointers to the address and to its length, for the kernel to write.
    pub(crate) const fn parts(this: *mut Self) -> (*mut u8, *mut u32) {
        let length = std::mem::offset_of!(Self, len);
        (this.cast(), this.cast::<u8>().wrapping_add(length).cast())
    }

    pub(crate) const fn set_len(&mut self, len: u32) {
        self.len = len;
    }

    /// As an address of the internet; of what is none, the unspecified one.
    pub(crate) fn to_internet(self) -> SocketAddr {
        let port = u16::from_be_bytes(self.get(2));
        match self.family() {
            AF_INET6 => {
                let (ip, flow) = (Ipv6Addr::from(self.get::<16>(8)), u32::from_be_bytes(self.get(4)));
                SocketAddr::V6(SocketAddrV6::new(ip, port, flow, u32::from_ne_bytes(self.get(24))))
            }
            AF_INET => SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(self.get::<4>(4)), port)),
            _ => SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        }
    }

    /// The path of a Unix socket that has one.
    pub(crate) fn to_path(self) -> Option<std::path::PathBuf> {
        let name = self.bytes.get(2..(self.len as usize).min(SIZE))?;
        let name = name.split(|byte| *byte == 0).next()?;
        (self.family() == AF_UNIX && !name.is_empty()).then(|| OsStr::from_bytes(name).into())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|index| self.bytes[at + index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_layout() {
        for text in ["127.0.0.1:80", "255.1.2.3:65535", "[::1]:443", "[fe80::1%7]:9"] {
            let address: SocketAddr = text.parse().expect(text);
            assert_eq!(RawAddress::internet(&address).to_internet(), address);
        }
        let path = Path::new("/run/socket");
        assert_eq!(RawAddress::unix(path).expect("short").to_path().as_deref(), Some(path));
        assert!(RawAddress::unix(Path::new(&"x".repeat(108))).is_err());
    }
}
