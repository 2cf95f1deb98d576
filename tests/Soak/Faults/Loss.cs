namespace Accelerated.Soak.Faults;

/// <summary>Which packets a fault may cost.</summary>
internal enum Loss
{
    /// <summary>None: the data plane does not depend on it.</summary>
    None,

    /// <summary>Those that come by until the agent has repaired what carries them.</summary>
    UntilRepaired,

    /// <summary>Those that come by while it lasts: it cuts the underlay.</summary>
    WhileItLasts,
}
