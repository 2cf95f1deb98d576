using System.Net;

namespace Accelerated.Lab;

/// <summary>A container: a namespace whose <c>eth0</c> hangs on its node's bridge <c>cni0</c>.</summary>
public sealed class LabPod : LabHost
{
    private IPAddress? _address;

    internal LabPod(LabCommands commands, LabLayout layout, int node, int pod) : base(commands, layout, layout.PodNamespace(node, pod)) =>
        Number = pod;

    /// <summary>Its number on its node, from 1; its host veth is <c>veth</c> and this number.</summary>
    public int Number { get; }

    /// <summary>Its IPv4 address.</summary>
    /// <exception cref="LabException">It has none before <see cref="LabNode.AttachPodsAsync"/>.</exception>
    public IPAddress Address
    {
        get => _address ?? throw new LabException($"{Namespace} has no address yet: attach the containers first");
        internal set => _address = value;
    }
}
