//! Dials that wait for their socket.

use std::time::Instant;

use crate::error::{Doing, GuestError};
use crate::patience::{self, Patient, Tried};

use super::channel::{Body, Ticket};
use super::{Done, Guest};

/// Dials that may wait at once.
const PATIENTS_MAX: usize = 256;

impl Guest {
    pub(super) fn dial_patiently(&mut self, ticket: Ticket, path: String, given: String) {
        if self.patients().count() >= PATIENTS_MAX {
            let error = GuestError::system(libc::EAGAIN, format!("wait for '{given}'"));
            return self.answer(ticket, Err(error));
        }
        if let Some(channel) = self.channel_of(ticket) {
            channel.body = Body::Patient(Patient::new(path, given));
            self.try_again(ticket);
        }
    }

    fn patients(&self) -> impl Iterator<Item = (u32, &Patient)> {
        self.channels.iter().filter_map(|(number, channel)| match &channel.body {
            Body::Patient(patient) => Some((*number, patient)),
            _ => None,
        })
    }

    fn patient_of(&mut self, ticket: Ticket) -> Option<&mut Patient> {
        match &mut self.channel_of(ticket)?.body {
            Body::Patient(patient) => Some(patient),
            _ => None,
        }
    }

    fn try_again(&mut self, ticket: Ticket) {
        let Some(patient) = self.patient_of(ticket) else { return };
        if patient.is_trying {
            patient.must_retry = true;
            return;
        }
        patient.is_trying = true;
        patient.must_retry = false;
        let path = patient.path.clone();
        let watches = self.directories.shared();
        self.file_pool.submit(move || Done::Tried(ticket, patience::try_connect(&path, &watches)));
    }

    pub(super) fn on_tried(&mut self, ticket: Ticket, tried: Tried) {
        let Some(patient) = self.patient_of(ticket) else {
            // Given up. The watch may be another's as well.
            if let Tried::Missing(watch) = tried {
                self.forget_watch(watch);
            }
            return;
        };
        patient.is_trying = false;
        let before = patient.watch;
        patient.watch = if let Tried::Missing(watch) = tried { Some(watch) } else { None };
        let doing = format!("connect '{}'", patient.given);
        match tried {
            Tried::Connected(fd) => self.on_connected(ticket, Ok(fd)),
            Tried::Failed(error) => self.answer(ticket, Err(error).doing(doing)),
            Tried::Missing(_) if patient.must_retry => self.try_again(ticket),
            Tried::Missing(_) => {}
            Tried::Refused => {
                let at = patient.next_try();
                self.patient_tries.push((at, ticket));
            }
        }
        if let Some(watch) = before {
            self.forget_watch(watch);
        }
    }

    /// Something has appeared in directories that are watched.
    pub(super) fn on_directories(&mut self) {
        let watches = self.directories.drain();
        let woken: Vec<u32> = self
            .patients()
            .filter(|(_, patient)| patient.is_trying || patient.watch.is_some_and(|watch| watches.contains(&watch)))
            .map(|(number, _)| number)
            .collect();
        for number in woken {
            self.try_again(self.ticket(number));
        }
    }

    /// When the first dial is to be tried again for no other reason than that time has passed.
    pub(super) fn next_patient_try(&self) -> Option<Instant> {
        self.patient_tries.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn try_patients(&mut self, now: Instant) {
        let (due, later) = self.patient_tries.drain(..).partition(|(at, _)| *at <= now);
        self.patient_tries = later;
        let due: Vec<(Instant, Ticket)> = due;
        for (_, ticket) in due {
            self.try_again(ticket);
        }
    }

    /// Removes a watch that no dial waits on any more.
    pub(super) fn forget_watch(&mut self, watch: i32) {
        if !self.patients().any(|(_, patient)| patient.watch == Some(watch)) {
            self.directories.remove(watch);
        }
    }
}
