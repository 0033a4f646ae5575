//! The six functions that the compiler calls by name and that a libc would bring.
//!
//! They copy byte by byte: nothing here moves more than a few pages. The crate is
//! `no_builtins`, so that no loop below is turned into a call of itself.

use core::ffi::{c_int, c_void};

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void {
    let (target, source) = (to.cast::<u8>(), from.cast::<u8>());
    let mut at = 0;
    while at < len {
        // SAFETY: both ranges are valid for `len` bytes by the contract of memcpy.
        unsafe { *target.add(at) = *source.add(at) };
        at += 1;
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void {
    let (target, source) = (to.cast::<u8>(), from.cast::<u8>());
    if (target as usize) <= (source as usize) {
        // SAFETY: valid for `len` bytes by contract; forwards is right when the target is lower.
        return unsafe { memcpy(to, from, len) };
    }
    let mut at = len;
    while at > 0 {
        at -= 1;
        // SAFETY: as above; backwards, since the target is higher.
        unsafe { *target.add(at) = *source.add(at) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut c_void, value: c_int, len: usize) -> *mut c_void {
    let target = to.cast::<u8>();
    let mut at = 0;
    while at < len {
        // SAFETY: valid for `len` bytes by the contract of memset, which takes the low byte.
        unsafe { *target.add(at) = value as u8 };
        at += 1;
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const c_void, right: *const c_void, len: usize) -> c_int {
    let (left, right) = (left.cast::<u8>(), right.cast::<u8>());
    let mut at = 0;
    while at < len {
        // SAFETY: both ranges are valid for `len` bytes by the contract of memcmp.
        let (a, b) = unsafe { (*left.add(at), *right.add(at)) };
        if a != b {
            return c_int::from(a) - c_int::from(b);
        }
        at += 1;
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const c_void, right: *const c_void, len: usize) -> c_int {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: a string ends in NUL by the contract of strlen.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    len
}
