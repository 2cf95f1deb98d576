namespace Accelerated.Bench;

/// <summary>What carries an arm's packets.</summary>
internal enum Carrier
{
    /// <summary>The underlay interface alone: nothing is encapsulated.</summary>
    Underlay,

    /// <summary>The kernel's vxlan driver.</summary>
    Driver,

    /// <summary>Lane 1.</summary>
    Lane1,

    /// <summary>Lane 2, and lane 1 for what is not its to carry.</summary>
    Shortcut,
}
