using System.CommandLine;
using Accelerated.Soak;

// Taking the lab down after Ctrl-C takes longer than the two seconds the library would grant.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };
return await CommandLine.Build().Parse(args).InvokeAsync(configuration);
