using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// Keeps our nftables table as it should be. To see whether somebody changed it, the kernel's own listing of the table right
/// after our transaction is compared with the listing of now. libnftables is loaded at the first call only.
/// </summary>
public sealed class NftablesFirewall(string instance) : IDisposable
{
    private readonly string _table = FirewallRules.TableName(instance);
    private NftablesContext? _context;
    private (string Rules, string? Listing)? _applied;

    /// <summary>Netlink port our transactions come from; 0 before the first.</summary>
    public uint PortId { get; private set; }

    /// <summary>Makes the table equal to <paramref name="spec"/> and <paramref name="mark"/>.</summary>
    /// <exception cref="NftablesException">nftables refused.</exception>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    public FirewallChange Apply(FirewallSpec spec, AcceptMark? mark)
    {
        _context ??= NftablesContext.Open();
        var rules = FirewallRules.Replace(_table, spec, mark);
        var before = _applied;
        if (before is { } applied && applied.Rules == rules && applied.Listing == List())
            return FirewallChange.None;
        _context.Run(rules);
        // Read each time: the library may have opened its socket anew.
        PortId = _context.PortId;
        _applied = (rules, List());
        return before?.Rules == rules ? FirewallChange.Repaired : FirewallChange.Written;
    }

    /// <inheritdoc/>
    public void Dispose() => _context?.Dispose();

    private string? List()
    {
        try
        {
            return _context!.Run($"list table inet {_table}");
        }
        catch (NftablesException)
        {
            // No such table.
            return null;
        }
    }
}
