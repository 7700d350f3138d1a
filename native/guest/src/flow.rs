//! Credit: how many bytes may be on their way on one stream.

use crate::frame::Violation;

/// The credit that each stream starts with, in bytes.
pub const WINDOW_BYTES: u64 = 262_144;
/// Credit is given back in portions of this size: a frame for each small piece would cost more than it says.
const GRANT_BYTES: u64 = WINDOW_BYTES / 4;

/// The account of a stream that we receive.
pub struct Receiving {
    /// What the sender may still send.
    window: u64,
    /// What we have handed on and not granted again.
    owed: u64,
}

impl Default for Receiving {
    fn default() -> Self {
        Receiving { window: WINDOW_BYTES, owed: 0 }
    }
}

impl Receiving {
    /// Bytes arrived.
    pub fn arrived(&mut self, bytes: usize) -> Result<(), Violation> {
        match self.window.checked_sub(bytes as u64) {
            Some(window) => self.window = window,
            None => return Err(Violation(format!("{bytes} bytes where credit was left for {}", self.window))),
        }
        Ok(())
    }

    /// Bytes have left our memory; returns the credit to grant now, if any.
    pub fn handed_on(&mut self, bytes: usize) -> Option<u32> {
        self.owed += bytes as u64;
        if self.owed < GRANT_BYTES {
            return None;
        }
        let grant = self.owed;
        self.window += grant;
        self.owed = 0;
        // Never more than the window.
        Some(grant as u32)
    }
}

/// The account of a stream that we send.
pub struct Sending {
    credit: u64,
}

impl Default for Sending {
    fn default() -> Self {
        Sending { credit: WINDOW_BYTES }
    }
}

impl Sending {
    /// What may be sent now, in bytes.
    pub fn available(&self) -> usize {
        usize::try_from(self.credit).unwrap_or(usize::MAX)
    }

    pub fn granted(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes.into());
    }

    /// Bytes were sent; never more than [`Sending::available`].
    pub fn sent(&mut self, bytes: usize) {
        self.credit -= bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_window_is_a_violation() {
        let mut account = Receiving::default();
        assert!(account.arrived(WINDOW_BYTES as usize).is_ok());
        assert!(account.arrived(1).is_err());
    }

    #[test]
    fn credit_comes_back_in_portions_and_is_never_lost() {
        let mut account = Receiving::default();
        let mut granted = 0;
        for _ in 0..1000 {
            account.arrived(1000).unwrap();
            granted += account.handed_on(1000).map_or(0, u64::from);
        }
        assert_eq!(account.window + 1_000_000, WINDOW_BYTES + granted);
        assert!(account.window + account.owed == WINDOW_BYTES);
        assert!(account.owed < GRANT_BYTES);
    }

    #[test]
    fn a_sender_spends_what_it_is_granted() {
        let mut account = Sending::default();
        account.sent(WINDOW_BYTES as usize);
        assert_eq!(account.available(), 0);
        account.granted(u32::MAX);
        account.granted(1);
        assert_eq!(account.available(), 1 << 32);
    }
}
