//! Files and directories on their way over the port, step by step.

use serde_json::json;

use crate::error::{Answer, GuestError};
use crate::files::transfer::{Portion, Source, Target};
use crate::frame::DATA_BYTES_MAX;

use super::channel::{Body, Channel, Reading, Ticket, Writing};
use super::{Done, Guest};

/// What a step reads at most, and what waits at most for one transfer before no further step begins.
pub(super) const PORTION_BYTES: usize = 128 * 1024;
/// Portions in memory for all transfers together: 8 MiB.
const PORTIONS_MAX: usize = 64;
/// Buffers that are kept for the next portions.
const SPARE_BUFFERS_MAX: usize = 4;

impl Guest {
    pub(super) fn on_read_opened(&mut self, ticket: Ticket, answer: Answer<Source>) {
        let source = match answer {
            Ok(source) => source,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let Some(channel) = self.channel_of(ticket) else { return self.drop_later(source) };
        let is_cancelled = channel.is_cancelled;
        channel.body = Body::Reading(Reading::new(source));
        self.outbox.respond(ticket.channel, Ok(json!({})));
        if is_cancelled {
            self.close(ticket.channel);
        } else {
            self.advance_reading(ticket.channel);
        }
    }

    /// Begins the next step if there is credit and memory for it, and lines up what waits to be sent.
    pub(super) fn advance_reading(&mut self, number: u32) {
        let ticket = self.ticket(number);
        let Some(Channel { body: Body::Reading(reading), sending, .. }) = self.channels.get_mut(&number) else {
            return;
        };
        let credit = sending[0].available();
        let waiting = reading.waiting();
        let has_something = waiting > 0 && credit > 0 || waiting == 0 && reading.ending.is_some();
        if has_something && !reading.is_queued {
            reading.is_queued = true;
            self.outbox.queue(number, 1);
        }
        let most = PORTION_BYTES.min(credit.saturating_sub(waiting));
        if most == 0 || waiting >= PORTION_BYTES || reading.source.is_none() || reading.is_starved {
            return;
        }
        if self.portions >= PORTIONS_MAX {
            reading.is_starved = true;
            self.starved.push_back(number);
            return;
        }
        let Some(source) = reading.source.take() else { return };
        self.portions += 1;
        let buffer = self.spare_buffers.pop().unwrap_or_default();
        self.file_pool.submit(move || Done::Portion(ticket, source.read(buffer, most)));
    }

    pub(super) fn on_portion(&mut self, ticket: Ticket, portion: Portion) {
        let Portion { content, rest } = portion;
        let Some(Channel { body: Body::Reading(reading), .. }) = self.channel_of(ticket) else {
            if let Ok(source) = rest {
                self.drop_later(source);
            }
            return self.release_portion(content);
        };
        match rest {
            Ok(source) => reading.source = Some(source),
            Err(ending) => reading.ending = Some(ending),
        }
        if content.is_empty() {
            self.release_portion(content);
        } else {
            reading.portions.push_back(content);
        }
        self.advance_reading(ticket.channel);
    }

    /// The turn of a file: one frame of what waits, or its end.
    pub(super) fn take_portion(&mut self, number: u32) {
        let Some(Channel { body: Body::Reading(reading), sending, .. }) = self.channels.get_mut(&number) else {
            return;
        };
        reading.is_queued = false;
        let Some(portion) = reading.portions.pop_front() else {
            let ending = reading.ending.take();
            return self.end_reading(number, ending);
        };
        let at = reading.at;
        let count = (portion.len() - at).min(DATA_BYTES_MAX).min(sending[0].available());
        sending[0].sent(count);
        if count > 0 {
            self.put_data(number, 1, &portion[at..at + count]);
        }
        let is_empty = at + count == portion.len();
        if let Some(Channel { body: Body::Reading(reading), .. }) = self.channels.get_mut(&number) {
            reading.at = if is_empty { 0 } else { at + count };
            if !is_empty {
                reading.portions.push_front(portion);
                return self.advance_reading(number);
            }
        }
        self.release_portion(portion);
        self.advance_reading(number);
    }

    fn end_reading(&mut self, number: u32, ending: Option<Answer<()>>) {
        match ending {
            None => return,
            Some(Ok(())) => self.put_end(number, 1),
            Some(Err(error)) => self.outbox.event(number, json!({ "error": error })),
        }
        self.close(number);
    }

    pub(super) fn drop_reading(&mut self, reading: Reading) {
        if let Some(source) = reading.source {
            self.drop_later(source);
        }
        for portion in reading.portions {
            self.release_portion(portion);
        }
    }

    /// The memory of a portion is free for another transfer.
    fn release_portion(&mut self, mut content: Vec<u8>) {
        self.portions -= 1;
        if self.spare_buffers.len() < SPARE_BUFFERS_MAX {
            content.clear();
            self.spare_buffers.push(content);
        }
        while self.portions < PORTIONS_MAX {
            let Some(number) = self.starved.pop_front() else { return };
            if let Some(Channel { body: Body::Reading(reading), .. }) = self.channels.get_mut(&number) {
                reading.is_starved = false;
            }
            self.advance_reading(number);
        }
    }

    pub(super) fn on_write_opened(&mut self, ticket: Ticket, answer: Answer<Target>) {
        let target = match answer {
            Ok(target) => target,
            Err(error) => return self.answer(ticket, Err(error)),
        };
        let Some(channel) = self.channel_of(ticket) else { return self.drop_later(target) };
        let is_cancelled = channel.is_cancelled;
        channel.body = Body::Writing(Writing { target: Some(target), bytes: 0 });
        self.outbox.respond(ticket.channel, Ok(json!({})));
        if is_cancelled {
            self.close(ticket.channel);
        } else {
            self.advance_writing(ticket.channel);
        }
    }

    /// Begins to write what has arrived, or to close the file after the last of it.
    pub(super) fn advance_writing(&mut self, number: u32) {
        let ticket = self.ticket(number);
        let Some(Channel { body: Body::Writing(writing), input, .. }) = self.channels.get_mut(&number) else { return };
        if input.queue.is_empty() && !input.has_ended {
            return;
        }
        let Some(target) = writing.target.take() else { return };
        if input.queue.is_empty() {
            return self.file_pool.submit(move || {
                drop(target);
                Done::Closed(ticket)
            });
        }
        let content = input.queue.take(self.spare_buffers.pop().unwrap_or_default());
        self.file_pool.submit(move || {
            let result = target.write(&content);
            Done::Written { ticket, target, content, result }
        });
    }

    pub(super) fn on_written(&mut self, ticket: Ticket, target: Target, mut content: Vec<u8>, result: Answer<usize>) {
        let Some(Channel { body: Body::Writing(writing), input, .. }) = self.channel_of(ticket) else {
            return self.drop_later(target);
        };
        let count = match result {
            Ok(count) => count,
            Err(error) => {
                self.drop_later(target);
                return self.fail_writing(ticket.channel, &error);
            }
        };
        writing.bytes += count as u64;
        writing.target = Some(target);
        if count < content.len() {
            // Left over by a device that is full: it goes before what has arrived since.
            let since = input.queue.take(content.split_off(count));
            input.queue.push(&since);
        }
        if self.spare_buffers.len() < SPARE_BUFFERS_MAX {
            content.clear();
            self.spare_buffers.push(content);
        }
        self.hand_on(ticket.channel, count);
        self.advance_writing(ticket.channel);
    }

    fn fail_writing(&mut self, number: u32, error: &GuestError) {
        self.outbox.event(number, json!({ "error": error }));
        self.close(number);
    }

    pub(super) fn on_target_closed(&mut self, ticket: Ticket) {
        let Some(Channel { body: Body::Writing(writing), .. }) = self.channel_of(ticket) else { return };
        let bytes = writing.bytes;
        self.outbox.event(ticket.channel, json!({ "done": { "bytes": bytes } }));
        self.close(ticket.channel);
    }
}
