//! TLS towards the remote Prometheus, by rustls and ring.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::model::TlsFiles;

/// What makes connections. The error names the file and the cause.
pub(super) fn connector(files: &TlsFiles) -> Result<TlsConnector, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match files.insecure_skip_verify {
        true => Arc::new(Credulous(provider.clone())),
        false => {
            let roots = Arc::new(roots(files)?);
            let built = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
            built.map_err(|e| format!("ca_file: {e}"))?
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong("key_file", key, &e))?;
            let chain = certificates("cert_file", cert)?;
            builder.with_client_auth_cert(chain, secret).map_err(|e| wrong("cert_file", cert, &e))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Those of `ca_file`, else those that the system trusts.
fn roots(files: &TlsFiles) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &files.ca_file {
        for certificate in certificates("ca_file", file)? {
            roots.add(certificate).map_err(|e| wrong("ca_file", file, &e))?;
        }
        return Ok(roots);
    }
    // A system's store may hold certificates that webpki does not take; the others count all the same.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("this system trusts nobody (no ca-certificates?); say ca_file in tls_config".to_string()),
        false => Ok(roots),
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).map_err(|e| wrong(key, file, &e))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| wrong(key, file, &e))?;
    if all.is_empty() { Err(wrong(key, file, &"no certificate in it")) } else { Ok(all) }
}

fn wrong(key: &str, file: &Path, why: &dyn Display) -> String {
    format!("{key}: {}: {why}", file.display())
}

/// `insecure_skip_verify`: believes every certificate, but not a broken handshake.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
