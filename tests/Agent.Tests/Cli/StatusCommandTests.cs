using Accelerated.Agent.Api;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Tests.Api;

namespace Accelerated.Agent.Tests.Cli;

public sealed class StatusCommandTests
{
    [Fact]
    public void Render_OfAHealthyNode_ReadsWell() => Assert.Equal(
        """
        ok: 10.5.60.0/24 on eth0 (192.0.2.1), kernel vxlan, 2 of 2 peers, etcd connected

          subnet     10.5.60.0/24 of 10.5.0.0/16
          underlay   eth0, public IP 192.0.2.1
          device     flannel.1 76:19:b2:0f:7d:a4, VNI 1, UDP port 8472, MTU 1450
          datapath   kernel: this version has no eBPF lanes yet
          guard      vtep
          etcd       http://192.0.2.250:2379, for 90 min, revision 42
          reconcile  7 passes, the last 3 s ago in 1.5 ms, 2 repairs
          version    0.1.0

          peer            public IP    VTEP MAC           transport  state
          10.5.88.0/24    192.0.2.2    6e:0b:24:f3:bc:5a  vxlan      installed
          10.5.100.64/26  203.0.113.9  02:00:00:00:00:09  vxlan      installed
        """,
        Render(StatusReports.Healthy));

    [Fact]
    public void Render_OfANodeInTrouble_NamesEachProblemWithItsRemedy() => Assert.Equal(
        """
        critical: eth0 is down (ip link set eth0 up), 10.5.60.0/24 (provisional), kernel vxlan, 0 of 1 peers, etcd not connected

          subnet     10.5.60.0/24 of 10.5.0.0/16, provisional: not yet confirmed by etcd
          underlay   eth0, public IP 192.0.2.1
          device     flannel.1 76:19:b2:0f:7d:a4, VNI 1, UDP port 8472, MTU 1450
          datapath   kernel: --datapath=kernel
          shortcut   to 10.5.60.2 on veth1
          lane 1 out 12 packets taken, left to the driver: 4 not ipv4, 1 too big
          lane 1 in  off: the driver decapsulates; 0 packets taken, refused: 3 unknown vtep
          guard      observe: only counts until etcd confirms the peers, would refuse: 4 not from underlay, 3 unknown vtep; also on eth1 (198.51.100.1), eth2 (203.0.113.1): guarded by nftables, not accelerated
          etcd       etcd at http://192.0.2.250:2379: connection refused
          reconcile  8 passes, the last 3 days ago in 1234.6 ms, 0 repairs
          version    0.1.0, instance blue

          peer          public IP  VTEP MAC           transport  sent              received            state
          10.5.88.0/24  192.0.2.2  6e:0b:24:f3:bc:5a  vxlan      3 packets, 999 B  12 packets, 1.3 MB  failed: replace route 10.5.88.0/24: network is down

          not on the shortcut  because
          10.5.60.3            a policer on veth2

          left out      because
          10.5.99.0-24  the value is not JSON
          poison        the key is not a subnet like 10.5.1.0-24

        critical: eth0 is down
            → ip link set eth0 up
        warning: etcd is away
            → check --etcd-endpoints
        """,
        Render(StatusReports.InTrouble));

    [Fact]
    public void Render_OfANodeThatStarts_SaysWhatIsMissing() => Assert.Equal(
        """
        starting: kernel vxlan, etcd not connected

          subnet     none yet of an unknown network
          underlay   none yet, public IP unknown
          datapath   kernel: this version has no eBPF lanes yet
          etcd       not tried yet
          reconcile  no pass yet
          version    0.1.0
        """,
        Render(StatusReports.Starting));

    [Theory]
    [InlineData(-5, "0 s")] // A clock that was set back.
    [InlineData(0, "0 s")]
    [InlineData(119, "119 s")]
    [InlineData(120, "2 min")]
    [InlineData(7_199, "120 min")]
    [InlineData(7_200, "2 h")]
    [InlineData(172_800, "2 days")]
    public void Render_OfATime_UsesAUnitThatReadsWell(int seconds, string expected)
    {
        var etcd = StatusReports.Healthy.Etcd with { Since = StatusReports.Now - TimeSpan.FromSeconds(seconds) };

        Assert.Contains($"  etcd       http://192.0.2.250:2379, for {expected}, revision 42\n", Render(StatusReports.Healthy with { Etcd = etcd }), StringComparison.Ordinal);
    }

    private static string Render(StatusReport report) => StatusCommand.Render(report, StatusReports.Now);
}
