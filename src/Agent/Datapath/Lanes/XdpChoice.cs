namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The values of <c>--xdp</c>.</summary>
public enum XdpChoice
{
    /// <summary>Lane 3 is not attached.</summary>
    Off,

    /// <summary>Where the driver runs programs natively, and nothing would suffer.</summary>
    Auto,

    /// <summary>Wherever the driver runs programs natively; a warning where it cannot.</summary>
    On,
}
