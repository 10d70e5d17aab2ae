//! TLS to a remote daemon: whom to trust, and what went wrong in words. Nothing here is loaded for the socket or for
//! plain HTTP.

use super::place::Stream;
use hyper::Uri;
use hyper::service::Service;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use std::error::Error;
use std::io;
use std::path::Path;

/// Connects with TLS.
pub struct Tls(HttpsConnector<HttpConnector>);

impl Tls {
    /// Trusts the authorities of that file, or those of this system.
    pub fn new(ca: Option<&Path>) -> Result<Self, String> {
        let builder = ClientConfig::builder();
        let config = match ca {
            Some(file) => builder.with_root_certificates(roots(file)?),
            None => builder.with_native_roots().map_err(|error| {
                format!(
                    "this system's certificate authorities cannot be read: {error}; install them (ca-certificates), \
                     or name a file with --ca"
                )
            })?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_only()
            .enable_http1()
            .build();
        Ok(Self(connector))
    }

    /// Connects to the host and port of that address.
    pub async fn connect(&self, to: Uri) -> io::Result<Box<dyn Stream>> {
        let connecting = TowerToHyperService::new(self.0.clone()).call(to);
        let stream = connecting.await.map_err(plain)?;
        Ok(Box::new(TokioIo::new(stream)))
    }
}

/// The certificates of a file.
fn roots(file: &Path) -> Result<RootCertStore, String> {
    let name = file.display();
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(|error| format!("--ca {name} cannot be read: {error}"))?;
    for certificate in certificates {
        let certificate =
            certificate.map_err(|error| format!("--ca {name} cannot be read: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("--ca {name} holds a certificate that is none: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "--ca {name} holds no certificate; it must be a PEM file with -----BEGIN CERTIFICATE-----"
        ));
    }
    Ok(roots)
}

/// The innermost error that says something: what is around it only says which part failed.
fn plain(error: Box<dyn Error + Send + Sync>) -> io::Error {
    if let Some(tls) = tls_error(&*error) {
        return io::Error::new(io::ErrorKind::InvalidData, tls.clone());
    }
    let mut cause: &(dyn Error + 'static) = &*error;
    loop {
        let inner = match cause.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => cause.source(),
        };
        match inner {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    match cause.downcast_ref::<io::Error>() {
        Some(io) => match io.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(io.kind(), io.to_string()),
        },
        None => io::Error::other(cause.to_string()),
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let inner = match error.downcast_ref::<io::Error>() {
        Some(io) => io
            .get_ref()
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source()),
        None => error.source(),
    };
    inner.and_then(tls_error)
}

/// What a failed handshake means and what to do; `None` if that is not what failed.
pub fn explained(error: &io::Error, host: &str) -> Option<String> {
    let said = match tls_error(error)? {
        rustls::Error::InvalidCertificate(fault) => certificate(fault, host),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS — if it is plain HTTP, use http://".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!(
                "it ended the TLS handshake ({alert:?}) — is {host} a name it has a certificate for?"
            )
        }
        other => format!("the TLS handshake failed: {other}"),
    };
    Some(said)
}

fn certificate(fault: &CertificateError, host: &str) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired — renew it there, or set this host's clock if that is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet — is this host's clock right?".to_owned()
        }
        CertificateError::NotValidForName => not_for(host, ""),
        CertificateError::NotValidForNameContext { presented, .. } => {
            not_for(host, &format!(" but for {}", presented.join(", ")))
        }
        CertificateError::UnknownIssuer => {
            "its certificate is signed by nobody this host trusts — if it is by an authority of your own, name that one's \
             certificate with --ca FILE or LONGSHORE_CA"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate was not signed by the authority that has the signer's name here — is the file of --ca that \
             authority's own, and its newest?"
                .to_owned()
        }
        other => format!("its certificate cannot be accepted: {other}"),
    }
}

fn not_for(host: &str, whom: &str) -> String {
    format!("its certificate is not for {host}{whom} — use a name of the certificate's in the URL")
}
