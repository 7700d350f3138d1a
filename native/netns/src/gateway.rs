//! The gateway: the namespace between the machines of a server and the host.

use std::fs;
use std::path::PathBuf;

use crate::addresses::{gateway_link, LINK_PREFIX};
use crate::links::Links;
use crate::namespace::{keep_current_at, let_go_at, Namespace};
use crate::rules::{self, Ports, TAKEN_MARK, TAKEN_TABLE, UPLINK};

pub struct Gateway {
    /// Where its namespace is kept.
    pub path: PathBuf,
    /// Tells it from those of other servers of this host.
    pub number: u16,
    pub ports: Ports,
    /// Networks that no machine reaches, beside those that none ever does.
    pub refuse: Vec<String>,
}

impl Gateway {
    /// Makes the gateway, or takes up the one that is kept, with the rules as they are now. Machines
    /// that are behind it stay closed until they are put into a set again.
    pub fn bring_up(&self) -> Result<(), String> {
        let host = Namespace::current().map_err(|error| failed("open the host's namespace", &error))?;
        self.allow_forwarding()?;
        let link = gateway_link(self.number);
        let kept = Namespace::kept_at(&self.path).map_err(|error| failed("open the gateway", &error))?;
        let gateway = match kept {
            Some(gateway) => gateway,
            None => self.make(&host)?,
        };
        let refuse = &self.refuse;
        rules::apply(&rules::host(&self.table(), &self.interface(), &link.inner.to_string(), refuse))?;
        gateway.enter().map_err(|error| failed("enter the gateway", &error))?;
        rules::apply(&rules::gateway(&self.ports, refuse))?;
        host.enter().map_err(|error| failed("come back to the host", &error))
    }

    /// Takes it down with all that belongs to it. Not being there is fine.
    pub fn take_down(&self) -> Result<(), String> {
        let mut links = Links::open().map_err(|error| failed("open netlink", &error))?;
        if let Err(error) = links.delete(&self.interface()) {
            if error.raw_os_error() != Some(libc::ENODEV) {
                return Err(failed("remove the gateway's link", &error));
            }
        }
        rules::apply(&rules::without(&self.table()))?;
        let_go_at(&self.path).map_err(|error| failed("let the gateway go", &error))
    }

    /// Comes back into the host's namespace. When it fails half-way, nothing keeps what was made.
    fn make(&self, host: &Namespace) -> Result<Namespace, String> {
        let link = gateway_link(self.number);
        let doing = |what: &'static str| move |error: std::io::Error| failed(what, &error);
        let gateway = Namespace::enter_new().map_err(doing("make a namespace"))?;
        write_setting("/proc/sys/net/ipv4/ip_forward", "1")?;
        // A guest's packet must come from the interface that its address is behind.
        write_setting("/proc/sys/net/ipv4/conf/all/rp_filter", "1")?;
        let mut inside = Links::open().map_err(doing("open netlink"))?;
        inside.bring_up("lo").map_err(doing("bring lo up"))?;
        inside.take_marked(TAKEN_MARK, TAKEN_TABLE).map_err(doing("route to transparent sockets"))?;
        inside.add_pair(UPLINK, &self.interface(), &host.file).map_err(|error| match error.raw_os_error() {
            Some(libc::EEXIST) => format!("the number {} is taken by another gateway", self.number),
            _ => failed("make the gateway's link", &error),
        })?;
        inside.add_address(UPLINK, link.inner, LINK_PREFIX).map_err(doing("give the gateway its address"))?;
        inside.bring_up(UPLINK).map_err(doing("bring the gateway's link up"))?;
        host.enter().map_err(doing("come back to the host"))?;
        let mut outside = Links::open().map_err(doing("open netlink"))?;
        outside.add_address(&self.interface(), link.outer, LINK_PREFIX).map_err(doing("give the host its address"))?;
        outside.bring_up(&self.interface()).map_err(doing("bring the host's end up"))?;
        gateway.enter().map_err(doing("enter the gateway"))?;
        inside.add_default_route(link.outer).map_err(doing("route to the host"))?;
        keep_current_at(&self.path).map_err(doing("keep the gateway"))?;
        host.enter().map_err(doing("come back to the host"))?;
        Ok(gateway)
    }

    fn allow_forwarding(&self) -> Result<(), String> {
        let setting = "/proc/sys/net/ipv4/ip_forward";
        let is_on = fs::read_to_string(setting).is_ok_and(|value| value.trim() == "1");
        if is_on {
            Ok(())
        } else {
            write_setting(setting, "1")
        }
    }

    fn interface(&self) -> String {
        format!("skerry{}", self.number)
    }

    fn table(&self) -> String {
        format!("skerry_{}", self.number)
    }
}

pub fn write_setting(path: &str, value: &str) -> Result<(), String> {
    fs::write(path, value).map_err(|error| format!("cannot write {path}: {error}"))
}

fn failed(what: &str, error: &std::io::Error) -> String {
    format!("cannot {what}: {error}")
}
