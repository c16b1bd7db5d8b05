//! The way of last resort: the first bytes of all samples, then the second ones, and so on. Bytes
//! that mean the same are alike.

/// Samples of `width` bytes taken apart.
pub(super) fn apart(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(bytes.len());
    for at in 0..width {
        planes.extend(bytes.chunks_exact(width).map(|sample| sample[at]));
    }
    planes
}

/// The way back; both of one length, a multiple of `width`.
pub(super) fn together(planes: &[u8], width: usize, bytes: &mut [u8]) {
    let count = planes.len() / width;
    for (at, plane) in planes.chunks_exact(count.max(1)).enumerate() {
        for (sample, byte) in bytes.chunks_exact_mut(width).zip(plane) {
            sample[at] = *byte;
        }
    }
}
