using System.Text.Json;
using Accelerated.Agent.Api;

namespace Accelerated.Agent.Tests.Api;

/// <summary>Other people's scripts read these names: names may be added here, none may go or change.</summary>
public sealed class StatusReportJsonTests
{
    [Fact]
    public void Serialize_OfAReport_HasTheNamesThatScriptsRelyOn() => Assert.Equal(
        """
        {"health":"critical","summary":"critical: eth0 is down (ip link set eth0 up), 10.5.60.0/24 (provisional), kernel vxlan, 0 of 1 peers, etcd not connected","ready":true,"provisional":true,"version":"0.1.0","instance":"blue","network":"10.5.0.0/16","subnet":"10.5.60.0/24","publicIP":"192.0.2.1","interface":"eth0","device":"flannel.1","vni":1,"port":8472,"vtepMac":"76:19:b2:0f:7d:a4","mtu":1450,"datapath":"kernel","datapathReason":"--datapath=kernel","masquerade":true,"etcd":{"connected":false,"endpoint":null,"since":"2026-01-02T12:00:00+00:00","error":"etcd at http://192.0.2.250:2379: connection refused","revision":0},"lanes":[{"lane":"1 out","off":null,"taken":12,"passed":{"too_big":1,"not_ipv4":4},"refused":{}},{"lane":"1 in","off":"the driver decapsulates","taken":0,"passed":{},"refused":{"unknown_vtep":3}}],"guard":{"mode":"observe","reason":"only counts until etcd confirms the peers","refused":{"unknown_vtep":3,"not_from_underlay":4},"otherInterfaces":["eth1 (198.51.100.1)","eth2 (203.0.113.1)"]},"peers":[{"subnet":"10.5.88.0/24","publicIP":"192.0.2.2","vtepMac":"6e:0b:24:f3:bc:5a","transport":"vxlan","state":"failed","error":"replace route 10.5.88.0/24: network is down","traffic":{"packetsOut":3,"bytesOut":999,"packetsIn":12,"bytesIn":1250000}}],"containers":[{"address":"10.5.60.2","interface":"veth1","leftOut":null},{"address":"10.5.60.3","interface":null,"leftOut":"a policer on veth2"}],"rejected":[{"key":"10.5.99.0-24","reason":"the value is not JSON"},{"key":"poison","reason":"the key is not a subnet like 10.5.1.0-24"}],"problems":[{"severity":"critical","code":"underlay-down","message":"eth0 is down","remedy":"ip link set eth0 up"},{"severity":"warning","code":"etcd-unreachable","message":"etcd is away","remedy":"check --etcd-endpoints"}],"reconcile":{"passes":8,"repairs":0,"lastPass":"2025-12-30T12:00:00+00:00","lastMilliseconds":1234.56,"failing":1}}
        """,
        ToJson(StatusReports.InTrouble));

    [Fact]
    public void Serialize_OfANodeThatStarts_HasEveryNameAllTheSame() => Assert.Equal(
        """
        {"health":"starting","summary":"starting: kernel vxlan, etcd not connected","ready":false,"provisional":false,"version":"0.1.0","instance":"default","network":null,"subnet":null,"publicIP":null,"interface":null,"device":null,"vni":null,"port":null,"vtepMac":null,"mtu":null,"datapath":"kernel","datapathReason":"this version has no eBPF lanes yet","masquerade":false,"etcd":{"connected":false,"endpoint":null,"since":null,"error":null,"revision":0},"lanes":[],"guard":null,"peers":[],"containers":[],"rejected":[],"problems":[],"reconcile":{"passes":0,"repairs":0,"lastPass":null,"lastMilliseconds":0,"failing":0}}
        """,
        ToJson(StatusReports.Starting));

    [Fact]
    public void Deserialize_OfANewerAgentsReport_IgnoresWhatItDoesNotKnow()
    {
        var json = ToJson(StatusReports.Healthy).Replace("\"health\"", "\"lanes\":[{\"name\":\"out\"}],\"health\"", StringComparison.Ordinal);

        var report = JsonSerializer.Deserialize(json, ApiJson.Default.StatusReport)!;

        Assert.Equal(ToJson(StatusReports.Healthy), ToJson(report));
    }

    [Fact]
    public void Serialize_OfAnError_HasOneName() =>
        Assert.Equal("""{"error":"why"}""", JsonSerializer.Serialize(new ApiError("why"), ApiJson.Default.ApiError));

    private static string ToJson(StatusReport report) => JsonSerializer.Serialize(report, ApiJson.Default.StatusReport);
}
