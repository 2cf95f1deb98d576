namespace Accelerated.Agent.Datapath;

/// <summary>What a pass did to our nftables table.</summary>
public enum FirewallChange
{
    /// <summary>Nothing: it was as it should be.</summary>
    None,

    /// <summary>New rules were wanted, and written.</summary>
    Written,

    /// <summary>The same rules were wanted as before, but somebody had changed them.</summary>
    Repaired,
}
