//! The whole box on real parts: a private RabbitMQ, the simulated platform, real RTSP, real models, real photos.
//! Needs `scripts/setup` to have run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may panic; counters are whole numbers"
)]

mod acceptance;
mod access;
mod amqp;
mod at_rest;
mod attributes;
mod audit;
mod backlog;
mod bad_input;
mod call_samples;
mod cameras;
mod check;
mod clock;
mod configs;
mod control;
mod dead_letters;
mod devices_change;
mod devices_report;
mod devices_tell;
mod dialects;
mod doors;
mod erasure;
mod every_call;
mod field_platform;
mod fields;
mod fiqa;
mod ftp;
mod history;
mod http;
mod http_cameras;
mod https;
mod journey;
mod kills;
mod language;
mod link;
mod liveness;
mod local_api;
mod local_devices;
mod local_faces;
mod local_groups;
mod local_permissions;
mod local_receivers;
mod local_users;
mod login;
mod main_stream;
mod match_online;
mod methods;
mod onvif;
mod onvif_camera;
mod pass_mode;
mod photos;
mod picture_match;
mod picture_search;
mod platform_devices;
mod probe;
mod quorum;
mod realtime;
mod receiver;
mod simulators;
mod standalone;
mod storage;
mod stream;
mod swap;
mod terminal;
mod testbed;
mod tls;
mod users_26;
mod users_import;
mod why;
