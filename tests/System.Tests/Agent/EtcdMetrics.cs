using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>What etcd counts: the only way to see what an agent asked for and how often, without asking the agent.</summary>
internal static class EtcdMetrics
{
    /// <summary>etcd leases granted since it started.</summary>
    public const string Granted = "etcd_debugging_lease_granted_total";

    /// <summary>Reads answered since it started.</summary>
    public const string Reads = """grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"}""";

    /// <summary>The value of a counter; 0 while it has none.</summary>
    public static async Task<long> ReadAsync(LabEtcd etcd, string name)
    {
        const string script = """exec 3<>"/dev/tcp/$0/2379"; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3""";
        var text = await etcd.RunAsync("bash", "-ec", script, etcd.Layout.EtcdAddress.ToString());
        var line = text.Split('\n').SingleOrDefault(l => l.StartsWith(name + " ", StringComparison.Ordinal));
        return line is null ? 0 : (long)double.Parse(line[(name.Length + 1)..], CultureInfo.InvariantCulture);
    }
}
