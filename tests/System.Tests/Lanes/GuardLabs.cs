using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Two labs of two hosts with two containers each: one guarded as by default, one with <c>--guard=off</c>.</summary>
public abstract class GuardLabs(string datapath) : IAsyncLifetime
{
    /// <summary>A lease of a node that no host stands for.</summary>
    public static readonly IPNetwork ThirdNode = IPNetwork.Parse("10.5.255.0/24");

    private readonly Dictionary<string, string> _flags = [];
    private readonly OneLab _guarded = new(datapath, []);
    private readonly OneLab _open = new(datapath, ["--guard=off"]);

    /// <summary>Whether eBPF lanes lie over the driver.</summary>
    public bool HasLanes => datapath == LabSpec.BpfDatapath;

    /// <summary>The guarded one.</summary>
    public NetworkLab Guarded => _guarded.Lab;

    /// <summary>The one that takes everything.</summary>
    public NetworkLab Open => _open.Lab;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        await _guarded.InitializeAsync();
        await _open.InitializeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _guarded.DisposeAsync();
        await _open.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Sees to it that node 1's agent runs with these flags beside the lab's, and that its guard is at work.</summary>
    public async Task<LabNode> UseAsync(NetworkLab lab, params string[] flags)
    {
        var node = lab.Node(1);
        var wanted = string.Join(' ', flags);
        if (_flags.GetValueOrDefault(node.Namespace, "") != wanted)
        {
            await node.StopAgentAsync();
            node.StartAgent(flags);
            _flags[node.Namespace] = wanted;
        }

        const string guard = "--guard=";
        var mode = flags.Concat(lab.Spec.AgentFlags).FirstOrDefault(f => f.StartsWith(guard, StringComparison.Ordinal))?[guard.Length..] ?? "vtep";
        await WaitModeAsync(node, mode);
        return node;
    }

    /// <summary>Waits until the guard does this.</summary>
    public static Task WaitModeAsync(LabNode node, string mode) =>
        AgentSocket.WaitAsync(node, $"the guard's mode {mode}", s => (bool)s["ready"]! && (string?)s["guard"]?["mode"] == mode);

    private sealed class OneLab(string datapath, string[] flags)
        : SharedLab(new LabSpec { Nodes = 2, PodsPerNode = 2, Datapath = datapath, AgentFlags = [.. flags] })
    {
        protected override async Task PrepareAsync(NetworkLab lab)
        {
            await base.PrepareAsync(lab);
            await lab.Etcd.CtlAsync("put", LabSteps.KeyName(ThirdNode.ToString()), LabSteps.LeaseValue("192.0.2.99", "02:00:00:00:00:99"));
            await lab.Node(1).WaitRoutesAsync([ThirdNode]);
        }
    }
}

/// <summary>On the kernel's driver.</summary>
public sealed class DriverGuardLabs() : GuardLabs("kernel");

/// <summary>On the eBPF lanes.</summary>
public sealed class LanesGuardLabs() : GuardLabs(LabSpec.BpfDatapath);
