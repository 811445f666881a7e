//! Stored events that somebody asks for, and their pictures; and taking away what every receiver has.

use actix::prelude::{Handler, ResponseFuture};

use super::ReporterActor;
use super::message::{DeleteEvents, DeletePictures, EventPage, FindEvents, GetEventPicture};
use super::record::receivers_to_wait_for;
use crate::actors::blocking::run_blocking;
use crate::ports::store::{Fate, Namespace, SentChange, StoreError};
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};

impl Handler<FindEvents> for ReporterActor {
    type Result = ResponseFuture<Result<EventPage, ProtocolError>>;

    fn handle(
        &mut self,
        FindEvents { query, skip, limit }: FindEvents,
        _: &mut Self::Context,
    ) -> Self::Result {
        let deps = self.deps().clone();
        Box::pin(run_blocking(move || {
            let receivers = receivers_to_wait_for(&deps)?;
            let mut page = EventPage { stored: deps.storage.events.counts()?.stored, ..EventPage::default() };
            if query.is_everything() {
                // Only the page itself is opened.
                page.total = page.stored;
                page.looked_at = page.stored;
                deps.storage.events.newest_first(&receivers, skip, &mut |stored, is_unsent| {
                    page.events.push((stored.event, !is_unsent));
                    page.events.len() < limit
                })?;
                return Ok(page);
            }
            deps.storage.events.newest_first(&receivers, 0, &mut |stored, is_unsent| {
                page.looked_at += 1;
                if query.matches(&stored.event, &stored.event.device.registry_group) {
                    page.total += 1;
                    if page.total > skip && page.events.len() < limit {
                        page.events.push((stored.event, !is_unsent));
                    }
                }
                page.looked_at < limits::EVENTS_LOOKED_AT_MAX
            })?;
            Ok(page)
        }))
    }
}

impl Handler<GetEventPicture> for ReporterActor {
    type Result = ResponseFuture<Result<Option<Vec<u8>>, ProtocolError>>;

    fn handle(&mut self, GetEventPicture { name }: GetEventPicture, _: &mut Self::Context) -> Self::Result {
        let pictures = self.deps().storage.pictures.clone();
        Box::pin(run_blocking(move || pictures.get(Namespace::Events, &name)))
    }
}

fn unsent(event_id: &str) -> ProtocolError {
    let detail = format!(
        "event {event_id} is not deleted: a receiver has not got it yet, or its passage has not ended"
    );
    ProtocolError::new(StatusCode::LocalParamError, detail)
}

impl Handler<DeleteEvents> for ReporterActor {
    type Result = ResponseFuture<Result<usize, ProtocolError>>;

    fn handle(&mut self, DeleteEvents { ids }: DeleteEvents, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps().clone();
        Box::pin(async move {
            let changed = run_blocking(move || {
                let receivers = receivers_to_wait_for(&deps)?;
                let changed = deps.storage.events.change_sent(&ids, &receivers, &|_| Fate::Remove)?;
                if let SentChange::Done(gone) = &changed {
                    // What a crash leaves here the sweep at the next start takes.
                    for name in gone.iter().flat_map(EventRecord::pictures) {
                        deps.storage.pictures.remove(Namespace::Events, name)?;
                    }
                }
                Ok(changed)
            });
            match changed.await? {
                SentChange::Done(gone) => Ok(gone.len()),
                SentChange::Unsent(id) => Err(unsent(&id)),
            }
        })
    }
}

impl Handler<DeletePictures> for ReporterActor {
    type Result = ResponseFuture<Result<usize, ProtocolError>>;

    fn handle(&mut self, message: DeletePictures, _: &mut Self::Context) -> Self::Result {
        let DeletePictures { names, event_ids } = message;
        let deps = self.deps().clone();
        Box::pin(async move {
            let changed = run_blocking(move || {
                let receivers = receivers_to_wait_for(&deps)?;
                let is_meant = |name: &Option<String>| name.as_ref().is_some_and(|name| names.contains(name));
                let without = |event: &EventRecord| {
                    if !is_meant(&event.spot_pic) && !is_meant(&event.face_pic) {
                        return Fate::Keep;
                    }
                    let mut other = event.clone();
                    other.spot_pic.take_if(|name| names.contains(name));
                    other.face_pic.take_if(|name| names.contains(name));
                    Fate::Rewrite(Box::new(other))
                };
                let changed = deps.storage.events.change_sent(&event_ids, &receivers, &without)?;
                let mut removed = 0;
                if let SentChange::Done(before) = &changed {
                    for name in before.iter().flat_map(EventRecord::pictures) {
                        if names.iter().any(|meant| meant == name) {
                            deps.storage.pictures.remove(Namespace::Events, name)?;
                            removed += 1;
                        }
                    }
                }
                Ok::<_, StoreError>((changed, removed))
            });
            match changed.await? {
                (SentChange::Done(_), removed) => Ok(removed),
                (SentChange::Unsent(id), _) => Err(unsent(&id)),
            }
        })
    }
}
