//! Which opcodes the running kernel knows: asked once, with the first ring.

use std::{io, os::fd::AsFd, sync::OnceLock};

use linux_raw_sys::io_uring::IO_URING_OP_SUPPORTED;

use super::{Ring, sqe::opcode_name};
use crate::sys;

/// A bit for each opcode.
static SUPPORTED: OnceLock<[u64; 4]> = OnceLock::new();

/// Asks the kernel through `ring`, the first time.
pub(super) fn learn(ring: &Ring) {
    SUPPORTED.get_or_init(|| {
        // A header of 16 bytes (last opcode, number of entries, padding), then 8 bytes for each opcode: number, padding, flags
        // (16 bits), padding. All of it is read as bytes, so that no number can be out of range.
        let mut table = [0; 2 + 256];
        if sys::probe(ring.fd.as_fd(), &mut table).is_err() {
            // A kernel too old to be asked: let it answer each operation itself.
            return [u64::MAX; 4];
        }
        let mut bits = [0; 4];
        for entry in &table[2..] {
            let [opcode, _, low, high, ..] = entry.to_ne_bytes();
            if u32::from(u16::from_ne_bytes([low, high])) & IO_URING_OP_SUPPORTED != 0 {
                bits[usize::from(opcode) / 64] |= 1 << (opcode % 64);
            }
        }
        bits
    });
}

/// Fails with a message that names opcode and kernel if the kernel does not know the opcode.
#[inline]
pub(crate) fn check_opcode(opcode: u8) -> io::Result<()> {
    match SUPPORTED.get() {
        Some(bits) if bits[usize::from(opcode) / 64] & 1 << (opcode % 64) == 0 => Err(unsupported(opcode)),
        _ => Ok(()),
    }
}

#[cold]
fn unsupported(opcode: u8) -> io::Error {
    let kernel = sys::kernel_release();
    let text = format!("{} ({opcode}) is not supported by Linux {kernel}", opcode_name(opcode));
    io::Error::new(io::ErrorKind::Unsupported, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_opcode_is_named_together_with_the_kernel() {
        let _ring = Ring::new(2, 2).expect("io_uring");
        assert!(check_opcode(super::super::sqe::NOP).is_ok());
        let error = check_opcode(255).expect_err("no kernel has it").to_string();
        assert!(error.contains("255") && error.contains("Linux"), "{error}");
    }
}
