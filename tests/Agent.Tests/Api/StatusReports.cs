using Accelerated.Agent.Api;
using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Tests.Api;

/// <summary>Reports of three nodes.</summary>
internal static class StatusReports
{
    internal static readonly DateTimeOffset Now = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    internal static readonly StatusReport Healthy = new(
        "ok", "ok: 10.5.60.0/24 on eth0 (192.0.2.1), kernel vxlan, 2 of 2 peers, etcd connected", true, false, "0.1.0", "default",
        "10.5.0.0/16", "10.5.60.0/24", "192.0.2.1", "eth0", "flannel.1", 1, 8472, "76:19:b2:0f:7d:a4", 1450,
        "kernel", "this version has no eBPF lanes yet", true,
        new StatusReport.EtcdStatus(true, "http://192.0.2.250:2379", Now - TimeSpan.FromMinutes(90), null, 42),
        [],
        new StatusReport.GuardStatus("vtep", null, new Dictionary<string, ulong>(), []),
        [
            new StatusReport.PeerStatus("10.5.88.0/24", "192.0.2.2", "6e:0b:24:f3:bc:5a", "vxlan", "installed", null),
            new StatusReport.PeerStatus("10.5.100.64/26", "203.0.113.9", "02:00:00:00:00:09", "vxlan", "installed", null),
        ],
        [], [], [], new StatusReport.ReconcileStatus(7, 2, Now - TimeSpan.FromSeconds(3), 1.5, 0));

    internal static readonly StatusReport InTrouble = Healthy with
    {
        Health = "critical",
        Summary = "critical: eth0 is down (ip link set eth0 up), 10.5.60.0/24 (provisional), kernel vxlan, 0 of 1 peers, etcd not connected",
        Provisional = true,
        Instance = "blue",
        DatapathReason = "--datapath=kernel",
        Lanes =
        [
            new LaneStatus("1 out", null, 12, new Dictionary<string, ulong> { ["too_big"] = 1, ["not_ipv4"] = 4 }, new Dictionary<string, ulong>()),
            new LaneStatus("1 in", "the driver decapsulates", 0, new Dictionary<string, ulong>(), new Dictionary<string, ulong> { ["unknown_vtep"] = 3 }),
        ],
        Guard = new StatusReport.GuardStatus(
            "observe", "only counts until etcd confirms the peers",
            new Dictionary<string, ulong> { ["unknown_vtep"] = 3, ["not_from_underlay"] = 4 }, ["eth1 (198.51.100.1)", "eth2 (203.0.113.1)"]),
        Etcd = new StatusReport.EtcdStatus(false, null, Now, "etcd at http://192.0.2.250:2379: connection refused", 0),
        Peers = [new StatusReport.PeerStatus("10.5.88.0/24", "192.0.2.2", "6e:0b:24:f3:bc:5a", "vxlan", "failed", "replace route 10.5.88.0/24: network is down", new PeerTraffic(3, 999, 12, 1_250_000))],
        Containers = [new ContainerStatus("10.5.60.2", "veth1", null), new ContainerStatus("10.5.60.3", null, "a policer on veth2")],
        Rejected = [new StatusReport.RejectedKey("10.5.99.0-24", "the value is not JSON"), new StatusReport.RejectedKey("poison", "the key is not a subnet like 10.5.1.0-24")],
        Problems =
        [
            new StatusReport.ProblemStatus("critical", "underlay-down", "eth0 is down", "ip link set eth0 up"),
            new StatusReport.ProblemStatus("warning", "etcd-unreachable", "etcd is away", "check --etcd-endpoints"),
        ],
        Reconcile = new StatusReport.ReconcileStatus(8, 0, Now - TimeSpan.FromDays(3), 1234.56, 1),
    };

    internal static readonly StatusReport Starting = new(
        "starting", "starting: kernel vxlan, etcd not connected", false, false, "0.1.0", "default", null, null, null, null, null, null, null, null, null,
        "kernel", "this version has no eBPF lanes yet", false, new StatusReport.EtcdStatus(false, null, null, null, 0), [], null, [], [], [], [],
        new StatusReport.ReconcileStatus(0, 0, null, 0, 0));
}
