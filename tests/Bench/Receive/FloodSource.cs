using System.Runtime.InteropServices;
using System.Text.Json;
using Accelerated.Interop.Netlink;
using Accelerated.Lab;

namespace Accelerated.Bench.Receive;

/// <summary>
/// Sends frames at a rate from a CPU of its own, by BPF_PROG_TEST_RUN with live frames: no socket, no skb, so that what limits is the
/// receiver. The BPF program keeps the pace: veth takes 256 frames at once, and what comes faster is lost before anybody has looked at it. This program runs itself for it inside a host of the lab.
/// </summary>
internal static class FloodSource
{
    // Without a pace: more than a CPU makes in a second.
    private const double Unpaced = 2_500_000;
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>Sends from a host, to the end.</summary>
    /// <exception cref="LabException">It failed there; the message has its words.</exception>
    public static async Task<Sent> RunAsync(LabHost host, Order order, CancellationToken cancel)
    {
        string[] self = ["dotnet", typeof(FloodSource).Assembly.Location, CommandLine.Flood, JsonSerializer.Serialize(order)];
        var result = await host.ExecAsync([.. OneCpu.Client, .. self], stdin: null, TimeSpan.FromSeconds(order.Seconds) + Grace, cancel);
        return JsonSerializer.Deserialize<Sent>(result.OrThrow().Stdout)!;
    }

    /// <summary>The process inside the host.</summary>
    /// <param name="text">An <see cref="Order"/> in JSON.</param>
    /// <param name="output">Takes what was sent, in JSON.</param>
    public static void Send(string text, TextWriter output)
    {
        var order = JsonSerializer.Deserialize<Order>(text)!;
        using var routes = RouteSocket.Open();
        var plan = new FloodPlan
        {
            Interface = (uint)routes.FindLink(order.Interface)!.Index,
            LegitimateShare = (uint)order.LegitimateShare,
            Interval = order.PerSecond == 0 ? 0 : (ulong)(1e9 / order.PerSecond),
            Legitimate = MemoryMarshal.Read<FloodFrame>(order.Legitimate),
            Forged = MemoryMarshal.Read<FloodFrame>(order.Forged),
        };
        using var flood = FloodPlan.Load();
        using var map = flood.Map("plans");
        using var program = flood.Program("flood");
        map.Update(0u, plan);

        // All at once: setting up such a run takes the kernel some 20 ms.
        program.SendXdp(order.Legitimate, (int)((order.PerSecond == 0 ? Unpaced : order.PerSecond) * order.Seconds));
        _ = map.TryLookup(0u, out plan);
        var sent = new Sent(plan.SentLegitimate, plan.SentForged, (plan.Next - plan.Begun) / 1e9);
        output.WriteLine(JsonSerializer.Serialize(sent));
    }

    /// <summary>What to send.</summary>
    /// <param name="Interface">Where.</param>
    /// <param name="PerSecond">Frames; 0: as fast as it goes.</param>
    /// <param name="Seconds">How long.</param>
    /// <param name="LegitimateShare">Of <see cref="FloodPlan.Shares"/>.</param>
    /// <param name="Legitimate">A <see cref="FloodFrame"/>.</param>
    /// <param name="Forged">A <see cref="FloodFrame"/>.</param>
    internal sealed record Order(string Interface, double PerSecond, double Seconds, int LegitimateShare, byte[] Legitimate, byte[] Forged);

    /// <summary>What was sent.</summary>
    internal sealed record Sent(ulong Legitimate, ulong Forged, double Seconds)
    {
        /// <summary>Frames in a second.</summary>
        public double Rate => (Legitimate + Forged) / Seconds;
    }
}
