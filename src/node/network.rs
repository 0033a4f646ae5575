//! Addresses, names and time: networkd, resolved and timesyncd.
//!
//! Only wired interfaces that are hardware get an address by DHCP; whatever a CNI plugin makes
//! (bridges, veth pairs, tunnels) is left alone, and so are routes and rules of others.

use super::put::Put;
use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays the configuration of the network into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let network = &inputs.profile.network;
    let mut put = Put::new(tree, inputs, "network");
    put.text("/etc/systemd/networkd.conf.d/50-imagebuild.conf", 0o644, NETWORKD)?;
    put.text("/etc/systemd/network/05-imagebuild-cni.network", 0o644, UNMANAGED)?;
    put.text("/etc/systemd/resolved.conf.d/50-imagebuild.conf", 0o644, RESOLVED)?;
    if network.dhcp {
        put.text("/etc/systemd/network/80-imagebuild-wired.network", 0o644, WIRED)?;
    }
    if !network.ntp.is_empty() {
        let text = format!("[Time]\nNTP={}\n", network.ntp.join(" "));
        put.text("/etc/systemd/timesyncd.conf.d/50-imagebuild.conf", 0o644, text)?;
    }
    for (unit, by) in ENABLED {
        put.pull(unit, by)?;
    }
    Ok(())
}

/// Debian leaves networkd off; the other two are on by their packages, which does no harm twice.
const ENABLED: [(&str, &str); 5] = [
    ("systemd-networkd.service", "multi-user.target"),
    ("systemd-networkd.socket", "sockets.target"),
    ("systemd-networkd-wait-online.service", "network-online.target"),
    ("systemd-resolved.service", "sysinit.target"),
    ("systemd-timesyncd.service", "sysinit.target"),
];

const NETWORKD: &str = "\
[Network]
# Routes and rules of CNI plugins are not ours to delete.
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
ManageForeignNextHops=no
";

/// Names come from servers; answering neighbours would be two more open ports.
const RESOLVED: &str = "\
[Resolve]
LLMNR=no
MulticastDNS=no
";

const UNMANAGED: &str = "\
[Match]
Kind=bridge veth vxlan geneve ipip ip6tnl wireguard dummy macvlan ipvlan vrf tun tap
[Link]
Unmanaged=yes
";

const WIRED: &str = "\
[Match]
Type=ether
Kind=!*
[Link]
RequiredForOnline=routable
[Network]
DHCP=yes
LinkLocalAddressing=ipv6
# A lease that ends while the server is away must not take the pods' network with it.
KeepConfiguration=dhcp-on-stop
[DHCPv4]
UseDomains=yes
UseMTU=yes
[DHCPv6]
UseDomains=yes
";
