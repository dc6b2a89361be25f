//! Where the server listens, and whether it may.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use girandole_api::security::{admin_exposure, exposure};

use super::{AdminAddress, ServeOptions};

/// The listeners' addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// Where administration is served; `None` for nowhere.
    pub(crate) admin: Option<SocketAddr>,
}

impl Addresses {
    /// Loopback and Triton's ports where nothing else is said.
    pub(super) fn of(options: &ServeOptions) -> Self {
        let address = |ip: Option<IpAddr>, port: Option<u16>, default: u16| {
            SocketAddr::new(ip.unwrap_or(Ipv4Addr::LOCALHOST.into()), port.unwrap_or(default))
        };
        Self {
            http: address(options.http_address, options.http_port, 8000),
            grpc: address(options.grpc_address, options.grpc_port, 8001),
            metrics: address(options.metrics_address, options.metrics_port, 8002),
            admin: match options.admin_address {
                Some(AdminAddress::Off) => None,
                Some(AdminAddress::On(ip)) => Some(address(Some(ip), options.admin_port, 8003)),
                None => Some(address(None, options.admin_port, 8003)),
            },
        }
    }

    /// Every listener that is where another one is, or where others can reach it and must not.
    pub(super) fn mistakes(&self, tls: bool, options: &ServeOptions) -> Vec<String> {
        let insecure = options.insecure.unwrap_or(false);
        let tokens = options.admin_token_file.is_some() || options.access_file.is_some();
        let exposed = |at: SocketAddr| exposure(at.ip(), tls, insecure);
        let admin = self.admin.map(|at| ("--admin-address", admin_exposure(at.ip(), tokens, tls, insecure)));
        let checked = [("--http-address", exposed(self.http)), ("--grpc-address", exposed(self.grpc))];
        let exposed = checked.into_iter().chain(admin);
        let exposed = exposed.filter_map(|(flag, safe)| Some(format!("{flag}: {}", safe.err()?)));
        self.clashes().into_iter().chain(exposed).collect()
    }

    /// Two listeners cannot have one port of one address; port 0 is a free one each.
    fn clashes(&self) -> Vec<String> {
        let three = [("REST", self.http), ("gRPC", self.grpc), ("metrics", self.metrics)];
        let all: Vec<_> = three.into_iter().chain(self.admin.map(|at| ("administration", at))).collect();
        let pairs =
            all.iter().enumerate().flat_map(|(i, one)| all.iter().skip(i + 1).map(move |two| (one, two)));
        let same = pairs.filter(|((_, a), (_, b))| a == b && a.port() != 0);
        same.map(|((a, at), (b, _))| format!("{a} and {b} cannot both listen on {at}")).collect()
    }
}
