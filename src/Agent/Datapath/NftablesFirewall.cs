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

    /// <summary>Makes the table equal to <paramref name="spec"/>.</summary>
    /// <returns>True when rules had to be written.</returns>
    /// <exception cref="NftablesException">nftables refused.</exception>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    public bool Apply(FirewallSpec spec)
    {
        _context ??= NftablesContext.Open();
        var rules = FirewallRules.Replace(_table, spec);
        if (_applied is { } applied && applied.Rules == rules && applied.Listing == List())
            return false;
        _context.Run(rules);
        // Read each time: the library may have opened its socket anew.
        PortId = _context.PortId;
        _applied = (rules, List());
        return true;
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
