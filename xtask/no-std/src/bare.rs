//! What std and libc do elsewhere: the entry point, two system calls, the panic handler, and the memory functions that the
//! compiler calls by name.

use core::{
    arch::{asm, naked_asm},
    panic::PanicInfo,
};

use crate::firmware;

/// Where the kernel enters the program: with the stack aligned to 16, as a call wants it.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "call {start}", "ud2", start = sym start)
}

extern "C" fn start() -> ! {
    exit(if firmware() { 0 } else { 1 })
}

/// Writes to standard output; an error would show in the output that `cargo xtask no-std` compares.
pub(crate) fn print(text: &str) {
    // SAFETY: `write` reads `text.len()` bytes at `text.as_ptr()`, which the borrow keeps alive, and touches nothing else. The
    // kernel clobbers `rcx` and `r11`.
    unsafe {
        asm!("syscall", inlateout("rax") 1_usize => _, in("rdi") 1, in("rsi") text.as_ptr(), in("rdx") text.len(),
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
}

fn exit(code: i32) -> ! {
    // SAFETY: `exit_group` takes a number and does not return.
    unsafe { asm!("syscall", in("rax") 231, in("rdi") code, options(noreturn, nostack)) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    print("panic\n");
    exit(101)
}

/// Unwinding never happens (`panic = "abort"`), but the `core` that comes with the compiler was built for it and names this.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    exit(102)
}

/// Copies forwards.
///
/// # Safety
/// As of libc: `n` bytes can be read at `from` and written at `to`, and they do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: `rep movsb` reads and writes just the bytes that the caller vouches for; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

/// Fills with a byte.
///
/// # Safety
/// As of libc: `n` bytes can be written at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: `rep stosb` writes just the bytes that the caller vouches for; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
    }
    to
}
